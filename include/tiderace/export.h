#pragma once

/// Stands before the name of the namespace in every public header: what is declared there is what the shared
/// library shows.
#define TIDERACE_API [[gnu::visibility("default")]]
