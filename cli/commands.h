#pragma once

#include "cli/command.h"

namespace tiderace::cli {

[[nodiscard]] Command topic_list();
[[nodiscard]] Command topic_create();
[[nodiscard]] Command topic_write();
[[nodiscard]] Command topic_read();
[[nodiscard]] Command group_list();
[[nodiscard]] Command group_show();
[[nodiscard]] Command group_reset();
[[nodiscard]] Command gateway();

}  // namespace tiderace::cli
