#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tiderace::gateway {

/// The pages that come with the gateway: beside the program where it is installed, or in the tree where it is
/// built; empty where there are none.
[[nodiscard]] std::string shipped_pages();

struct StaticFile {
  std::string content_type;
  std::string body;
  std::string etag;  ///< with its quotes
};

/// The files of a folder, as they were when it was read. Immutable; any thread.
class StaticFiles {
 public:
  /// Reads the folder (not what begins with a dot); empty: no files. Throws Error{config} if it cannot.
  explicit StaticFiles(const std::string& folder);
  /// By its path from the root, `/phone.html`; `/` is `/index.html`. Only what was there is found, so there
  /// is no path that leads elsewhere.
  [[nodiscard]] const StaticFile* find(std::string_view path) const;
  [[nodiscard]] bool empty() const noexcept { return files_.empty(); }

 private:
  std::map<std::string, StaticFile, std::less<>> files_;
};

}  // namespace tiderace::gateway
