#include "gateway/net/static_files.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"

namespace tiderace::gateway {
namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t most_bytes = 64 << 20;

std::string content_type_of(const fs::path& path) {
  static const std::map<std::string, std::string, std::less<>> types = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".json", "application/json"},
      {".geojson", "application/geo+json"},
      {".map", "application/json"},
      {".webmanifest", "application/manifest+json"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".txt", "text/plain; charset=utf-8"},
      {".wasm", "application/wasm"},
      {".pbf", "application/x-protobuf"},
      {".woff2", "font/woff2"},
  };
  const auto found = types.find(path.extension().string());
  return found == types.end() ? "application/octet-stream" : found->second;
}

/// All of a file. Throws Error{config} if it cannot be read.
std::string body_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string body;
  std::array<char, 64 << 10> chunk;
  while (file.read(chunk.data(), chunk.size()) || file.gcount() > 0)
    body.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
  if (!file.eof())  // nor is a file that was not opened at its end
    throw_error(ErrorKind::config,
                "web_root: cannot read {}: wanted a page that the gateway's user may read; allow it, or take "
                "the file away",
                path.string());
  return body;
}

}  // namespace

std::string shipped_pages() {
  std::error_code failure;
  const fs::path program = fs::read_symlink("/proc/self/exe", failure);
  if (failure) return {};
  const fs::path folder = program.parent_path().parent_path();
  for (const fs::path& pages : {folder / "share" / "tiderace" / "web", folder / "web" / "dist"}) {
    if (fs::is_directory(pages, failure)) return pages.string();
  }
  return {};
}

StaticFiles::StaticFiles(const std::string& folder) {
  if (folder.empty()) return;
  std::error_code failure;
  if (!fs::is_directory(folder, failure))
    throw_error(ErrorKind::config, "web_root: wanted a folder of pages, {} is none", folder);
  for (auto at = fs::recursive_directory_iterator(folder); at != fs::recursive_directory_iterator(); ++at) {
    if (at->path().filename().string().starts_with('.')) {
      if (at->is_directory()) at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file() || at->file_size() > most_bytes) continue;
    StaticFile read{content_type_of(at->path()), body_of(at->path()), {}};
    read.etag = fmt::format("\"{:x}-{:x}\"", read.body.size(), std::hash<std::string>()(read.body));
    files_["/" + fs::relative(at->path(), folder).generic_string()] = std::move(read);
  }
}

const StaticFile* StaticFiles::find(std::string_view path) const {
  const auto found = files_.find(path == "/" ? "/index.html" : path);
  return found == files_.end() ? nullptr : &found->second;
}

}  // namespace tiderace::gateway
