#pragma once

#include <string>
#include <string_view>

#include "connectors/postgres/connection.h"

namespace tiderace::postgres {

/// Ends the connections of members, of any group, that have a lock on one of the tables and of which nothing
/// changes for some seconds. That is right whoever they are: what they have sent is rolled back, and comes
/// again. But it is to hit none that only has a slow network. `shown` is for the log.
void end_standing_still(Connection& connection, const std::string& table, const std::string& offsets_table,
                        std::string_view shown);

}  // namespace tiderace::postgres
