#include "connectors/files/piece_file.h"

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace tiderace {
namespace {

constexpr std::size_t piece_bytes = 1u << 20;
constexpr std::size_t most_bytes = 1u << 30;  // of one line

}  // namespace

PieceFile::PieceFile(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "rbe")) {
  if (!file_) throw_error(ErrorKind::config, "cannot read '{}': {}", path_, std::strerror(errno));
}

bool PieceFile::more() {
  if (ended_) return false;
  buffer_.erase(0, at_);
  at_ = 0;
  const std::size_t kept = buffer_.size();
  if (kept > most_bytes)
    throw_error(ErrorKind::config, "'{}' has a line of more than {} bytes", path_, most_bytes);
  const std::size_t wanted =
      std::max(piece_bytes, kept);  // a long line is not looked through for every piece
  buffer_.resize(kept + wanted);
  const std::size_t found = std::fread(buffer_.data() + kept, 1, wanted, file_.get());
  buffer_.resize(kept + found);
  if (found == wanted) return true;
  if (std::ferror(file_.get()) != 0)
    throw_error(ErrorKind::config, "cannot read '{}': {}", path_, std::strerror(errno));
  ended_ = true;
  return found > 0;
}

}  // namespace tiderace
