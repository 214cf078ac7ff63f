#include "models/document.h"

#include "models/document_reader.h"

namespace tiderace {

bool is_ubjson(std::string_view bytes) noexcept {
  // After the opening brace JSON has white space, a quote or a brace; UBJSON the marker of a length or of a
  // container.
  return bytes.size() >= 2 && bytes[0] == '{' &&
         std::string_view("iUIlL$#").find(bytes[1]) != std::string_view::npos;
}

void walk_document(std::string_view bytes, DocumentVisitor& visitor) {
  if (is_ubjson(bytes))
    walk_ubjson(bytes, visitor);
  else
    walk_json(bytes, visitor);
}

}  // namespace tiderace
