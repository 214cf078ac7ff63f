#pragma once

/// All of Tiderace: `#include <tiderace/tiderace.h>` and `namespace tr = tiderace;`.
#include <tiderace/application.h>
#include <tiderace/dataframe.h>
#include <tiderace/error.h>
#include <tiderace/json_rows.h>
#include <tiderace/model.h>
#include <tiderace/options.h>
#include <tiderace/producer.h>
#include <tiderace/reader.h>
#include <tiderace/row.h>
#include <tiderace/security.h>
#include <tiderace/series.h>
#include <tiderace/sink.h>
#include <tiderace/source.h>
#include <tiderace/state.h>
#include <tiderace/table.h>
#include <tiderace/table_sink.h>
#include <tiderace/topic.h>
