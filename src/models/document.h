#pragma once

#include <cstddef>
#include <string_view>

namespace tiderace {

/// Receives what a document holds, in its order. `path` joins the names of the members from the root with
/// dots; the elements of an array have the path of their array. The views are valid during the call only.
class DocumentVisitor {
 public:
  virtual ~DocumentVisitor() = default;
  virtual void text(std::string_view path, std::string_view value) = 0;
  virtual void number(std::string_view path, double value) = 0;
  /// Called at the end of every array, after its elements.
  virtual void array(std::string_view path, std::size_t size) = 0;
  /// Called at the end of every object, after its members.
  virtual void object(std::string_view path) = 0;
};

/// Whether `bytes` look like UBJSON (binary) rather than JSON (text).
[[nodiscard]] bool is_ubjson(std::string_view bytes) noexcept;

/// Walks a whole document, JSON (also with `NaN` and `Infinity`, as XGBoost writes them) or UBJSON, whose
/// root is an object. Booleans and nulls are checked and not reported. The elements of UBJSON's arrays of
/// floats are stepped over, only their number is reported. Any bytes are safe: throws Error{config} with the
/// position of the first fault. Needs memory in proportion to the depth (limited to 64), not to the size.
void walk_document(std::string_view bytes, DocumentVisitor& visitor);

}  // namespace tiderace
