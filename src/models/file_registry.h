#pragma once

#include <memory>
#include <optional>
#include <string>

#include "models/model_versions.h"

namespace tiderace {

/// `file:models/shaking@champion`, or the path of such a folder: where it is, and which of its versions is
/// meant: an alias, a number, or `latest`, which no `@` means too.
struct FileReference {
  std::string folder;
  std::string pointer;
};

/// What `reference` says, if it is one: with `file:` before it, or a folder that is there. Nullopt: a model
/// file.
[[nodiscard]] std::optional<FileReference> file_reference(const std::string& reference);

/// XGBoost's models in a registry of files, as `publish_model` of the Python front end writes it:
///
///   blobs/SHA256.SUFFIX   the bytes of a model
///   versions/N.json       what is known of version N: `file`, `sha256`, `features`, ...
///   aliases/NAME          the number of a version as text
///
/// `sha256`: what the version must have; empty: what the registry says. Every call reads files anew.
[[nodiscard]] std::unique_ptr<ModelSource> file_source(FileReference reference, std::string sha256);

/// The name of the model: that of its folder.
[[nodiscard]] std::string name_of(const FileReference& reference);

}  // namespace tiderace
