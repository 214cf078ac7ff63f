#include "models/file_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

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

/// The names of what is in `folder`, without what is only being written; none where it is not there. Throws
/// Error{config} where that cannot be told.
std::vector<std::filesystem::path> names_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto name = entry->path().filename();
    if (!name.string().starts_with('.')) names.push_back(name);
  }
  if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory)
    throw_error(ErrorKind::config, "cannot list '{}': {}", folder.string(), error.message());
  return names;
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
    const auto text = read_if_there(root_ / "aliases" / reference_.pointer);
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
    const auto path = root_ / "blobs" / (about.sha256 + suffix);
    std::error_code error;
    if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found)
      missing(path, fmt::format("the bytes of version {} are gone", version));
    const std::string bytes = read_model_file(path.string(), sha256_.empty() ? about.sha256 : sha256_);
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
    for (const auto& name : names_in(root_ / "versions")) {
      if (name.extension() == ".json") last = std::max(last, number_in(name.stem().string()).value_or(0));
    }
    if (last == 0)
      throw_error(ErrorKind::config,
                  "no model at {}: publish one with tr.publish_model(model, \"{}\") in Python",
                  reference_.folder, reference_.folder);
    return last;
  }

  /// `path` was not found. It is gone where others are still beside it; a folder without any may be one that
  /// is not mounted for the moment.
  [[noreturn]] void missing(const std::filesystem::path& path, const std::string& what) const {
    const auto names = names_in(path.parent_path());
    if (names.empty()) {
      throw_error(ErrorKind::config,
                  "no model at {}: {}, and nothing else is in {}; is it the right place, and mounted? If it "
                  "is new, publish one with tr.publish_model(model, \"{}\") in Python",
                  reference_.folder, what, path.parent_path().string(), reference_.folder);
    }
    if (std::find(names.begin(), names.end(), path.filename()) != names.end())
      throw_error(ErrorKind::config, "{} was not there a moment ago, and is now", path.string());
    throw VersionGone(
        Error(ErrorKind::config, fmt::format("{}: {} ({})", reference_.folder, what, path.string())));
  }

  [[nodiscard]] Description describe(const std::string& version) const {
    const auto path = root_ / "versions" / (version + ".json");
    const auto text = read_if_there(path);
    if (!text) missing(path, fmt::format("there is no version {}", version));
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
