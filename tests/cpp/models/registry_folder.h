#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "models/model_file.h"

namespace tiderace {

/// A registry of files, written as the Python front end writes it.
class RegistryFolder {
 public:
  explicit RegistryFolder(std::string path) : path_(std::move(path)) {
    for (const char* folder : {"blobs", "versions", "aliases"})
      std::filesystem::create_directories(path_ + "/" + folder);
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The next version: one of the models in `tests/cpp/models/data`.
  void publish(const std::string& model, const std::string& features = "{}") {
    write(blob(model), bytes_of(model));
    describe(std::to_string(++versions_), R"({"format":1,"file":")" + model + R"(","sha256":")" +
                                              sha256_of(bytes_of(model)) + R"(","features":)" + features +
                                              "}");
  }
  /// As `publish_model` does it: there whole, or not at all.
  void describe(const std::string& version, const std::string& text) const {
    write(path_ + "/versions/" + version + ".json", text);
  }
  void point(const std::string& alias, const std::string& text) const {
    write(path_ + "/aliases/" + alias, text);
  }
  [[nodiscard]] std::string blob(const std::string& model) const {
    return path_ + "/blobs/" + sha256_of(bytes_of(model)) + ".ubj";
  }

 private:
  static std::string bytes_of(const std::string& model) {
    std::ifstream file(std::string(TIDERACE_SOURCE_DIR) + "/tests/cpp/models/data/" + model,
                       std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path + ".new", std::ios::binary) << text;
    std::filesystem::rename(path + ".new", path);
  }

  std::string path_;
  int versions_ = 0;
};

}  // namespace tiderace
