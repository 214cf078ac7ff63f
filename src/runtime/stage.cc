#include "runtime/stage.h"

namespace tiderace {

std::string changelog_topic(const std::string& group, const std::string& topic) {
  return group + "-" + topic + "-changelog";
}

}  // namespace tiderace
