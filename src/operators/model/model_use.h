#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "models/model_versions.h"

namespace tiderace {

/// What a task does with a model that has versions, in the batch in hand. The task sets it between batches,
/// operators call what it names.
struct ModelUse {
  std::shared_ptr<ModelVersions> versions;
  std::string header;        ///< of records: `tiderace.model.shaking`
  LoadedModelPtr current;    ///< whose predictions go out
  LoadedModelPtr candidate;  ///< tried on the same rows, its predictions thrown away; null: there is none
  /// Others that are to take over later, the best first: asked about rows on which `current` fails.
  std::vector<LoadedModelPtr> spares;

  bool tried = false;   ///< the candidate took rows of this batch, and failed on none that `current` took
  std::string failure;  ///< why it failed; empty: it did not
  /// Where `current` has failed on rows of this batch: another version that took all that the step put to it.
  LoadedModelPtr mended_by;
};

}  // namespace tiderace
