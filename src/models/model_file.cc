#include "models/model_file.h"

#include <openssl/evp.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace tiderace {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i])))
      return false;
  }
  return true;
}

}  // namespace

std::string sha256_of(std::string_view bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1 ||
      size != digest.size()) {
    throw_error(ErrorKind::config,
                "OpenSSL cannot compute a SHA-256 here; is it limited by the system's policy?");
  }
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<std::string> read_if_there(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  const bool opened = file.is_open();
  std::string bytes;
  std::array<char, 65536> part{};
  while (file) {
    file.read(part.data(), part.size());
    bytes.append(part.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!opened || file.bad()) {
    throw_error(ErrorKind::config, "cannot read '{}': {}", path.string(),
                errno == 0 ? "read error" : std::strerror(errno));
  }
  return bytes;
}

std::string read_model_file(const std::string& path, std::string_view sha256) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw_error(ErrorKind::config, "wanted a model file, but '{}' is a directory", path);
  }
  std::optional<std::string> read = read_if_there(path);
  if (!read) {
    throw_error(ErrorKind::config, "no model at '{}' (looked from {}): train it first, or give its path",
                path, std::filesystem::current_path(error).string());
  }
  std::string bytes = std::move(*read);
  if (sha256.empty()) return bytes;
  const std::string found = sha256_of(bytes);
  if (!equal_ignoring_case(sha256, found)) {
    throw_error(ErrorKind::config,
                "the model '{}' is not the one that was asked for: wanted SHA-256 {}, found {} ({} bytes); "
                "put the right file "
                "there, or change sha256 if the new model is meant",
                path, sha256, found, bytes.size());
  }
  return bytes;
}

}  // namespace tiderace
