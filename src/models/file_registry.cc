#include "models/file_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "models/document.h"
#include "models/model_file.h"
#include "models/xgboost_model.h"

namespace tiderace {
namespace {

constexpr std::string_view scheme = "file:";
constexpr std::string_view latest = "latest";

std::optional<std::uint64_t> number_in(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::string> whole_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

/// What a version's description says, as far as it matters here.
struct Description final : DocumentVisitor {
  void text(std::string_view path, std::string_view value) override {
    constexpr std::string_view before = "features.";
    if (path == "file") file = value;
    if (path == "sha256") sha256 = value;
    if (path.starts_with(before)) features.push_back({std::string(path.substr(before.size())), kind(value)});
  }
  void number(std::string_view path, double value) override {
    if (path == "format") format = value;
  }
  void array(std::string_view, std::size_t) override {}
  void object(std::string_view) override {}

  static KindMask kind(std::string_view type) {
    if (type == "bool") return mask_of(Kind::boolean);
    return mask_of(type == "int64" ? Kind::int64 : Kind::float64);
  }

  double format = 0;
  std::string file;
  std::string sha256;
  std::vector<Feature> features;
};

class FileSource final : public ModelSource {
 public:
  FileSource(FileReference reference, std::string sha256)
      : reference_(std::move(reference)), root_(reference_.folder), sha256_(std::move(sha256)) {}

  std::string resolve() override {
    if (const auto number = number_in(reference_.pointer)) return std::to_string(*number);
    if (reference_.pointer == latest) return std::to_string(last());
    const auto text = whole_file(root_ / "aliases" / reference_.pointer);
    if (!text) {
      static_cast<void>(last());  // says so where there is no model at all
      throw_error(ErrorKind::config, "{}: no alias '{}'", reference_.folder, reference_.pointer);
    }
    const auto number = number_in(*text);
    if (!number)
      throw_error(ErrorKind::config,
                  "{}: the alias '{}' is damaged: wanted the number of a version, found '{}'",
                  reference_.folder, reference_.pointer, text->substr(0, 50));
    return std::to_string(*number);
  }

  std::vector<std::shared_ptr<Model>> load(const std::string& version,
                                           std::span<const std::string> methods) override {
    const Description about = describe(version);
    const std::string suffix = std::filesystem::path(about.file).extension().string();
    if (suffix != ".ubj" && suffix != ".json") {
      throw_error(ErrorKind::config,
                  "{}: wanted a model of XGBoost (.ubj, .json), version {} is {}, which runs in Python only",
                  reference_.folder, version, about.file);
    }
    const std::string path = (root_ / "blobs" / (about.sha256 + suffix)).string();
    if (!std::filesystem::exists(path)) {
      throw VersionGone(Error(ErrorKind::config, fmt::format("{}: the bytes of version {} are gone ({})",
                                                             reference_.folder, version, path)));
    }
    const std::string bytes = read_model_file(path, sha256_.empty() ? about.sha256 : sha256_);
    const std::string name = fmt::format("{} version {}", name_of(reference_), version);
    std::vector<std::shared_ptr<Model>> models;
    for (const std::string& method : methods) {
      auto model = make_xgboost_model(bytes, name, method);
      models.push_back(about.features.empty() ? model : with_features(model, name, about.features));
    }
    return models;
  }

 private:
  [[nodiscard]] std::uint64_t last() const {
    std::uint64_t last = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(root_ / "versions", error)) {
      if (entry.path().extension() == ".json")
        last = std::max(last, number_in(entry.path().stem().string()).value_or(0));
    }
    if (last == 0)
      throw_error(ErrorKind::config,
                  "no model at {}: publish one with tr.publish_model(model, \"{}\") in Python",
                  reference_.folder, reference_.folder);
    return last;
  }

  [[nodiscard]] Description describe(const std::string& version) const {
    const auto path = root_ / "versions" / (version + ".json");
    const auto text = whole_file(path);
    if (!text) {
      throw VersionGone(
          Error(ErrorKind::config, fmt::format("{} has no version {}", reference_.folder, version)));
    }
    Description about;
    try {
      walk_document(*text, about);
    } catch (const Error& error) {
      throw error.within(fmt::format("{} is damaged", path.string()));
    }
    if (about.format != 1 || about.file.empty() || about.sha256.empty())
      throw_error(ErrorKind::config, "{} is damaged, or of a later library: wanted format 1, file and sha256",
                  path.string());
    return about;
  }

  FileReference reference_;
  std::filesystem::path root_;
  std::string sha256_;
};

}  // namespace

std::optional<FileReference> file_reference(const std::string& reference) {
  std::string_view rest = reference;
  const bool named = rest.starts_with(scheme);
  if (named) rest.remove_prefix(scheme.size());
  if (rest.starts_with("///")) rest.remove_prefix(2);
  const std::size_t at = rest.rfind('@');
  const bool pointed = at != std::string_view::npos && rest.find('/', at) == std::string_view::npos;
  FileReference found{std::string(pointed ? rest.substr(0, at) : rest),
                      std::string(pointed ? rest.substr(at + 1) : latest)};
  std::error_code error;
  if (std::filesystem::is_regular_file(rest, error)) return std::nullopt;
  if (!named && !std::filesystem::is_directory(found.folder, error)) return std::nullopt;
  return found;
}

std::unique_ptr<ModelSource> file_source(FileReference reference, std::string sha256) {
  return std::make_unique<FileSource>(std::move(reference), std::move(sha256));
}

std::string name_of(const FileReference& reference) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(reference.folder, error);
  return path.filename().string();
}

}  // namespace tiderace
