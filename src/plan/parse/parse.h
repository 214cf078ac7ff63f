#pragma once

#include <memory>
#include <string_view>

#include "plan/frame.h"

namespace tiderace::plan {

/// Builds what `text` says: a program in the words of the Python front end, which runs there with the same
/// meaning.
///
///     topic = app.topic("phone-data", timestamp="timestamp")   # or any other variables
///     sdf = app.dataframe(topic)
///     sdf = sdf[sdf["x"].notnull()]
///     sdf["mean"] = sdf["x"].rolling("10s").mean()
///     sdf.to_topic(app.topic("alerts"), key="rider")
///
/// Functions, models and sinks have no text. Returns the frame called `sdf`, or, without one, the frame that
/// was set last. Throws Error{plan} with line and column; what was built before the mistake stays in
/// `pipeline`.
Frame parse_plan(const std::shared_ptr<Pipeline>& pipeline, std::string_view text);

}  // namespace tiderace::plan
