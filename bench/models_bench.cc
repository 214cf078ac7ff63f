#include <benchmark/benchmark.h>

#include <random>

#include "models/xgboost_model.h"

namespace tiderace {
namespace {

/// Rows a second of a small model (three trees of depth two), called with batches of various sizes: the cost
/// of the call itself.
void PredictXgboost(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const auto model =
      load_xgboost_model(TIDERACE_SOURCE_DIR "/tests/cpp/models/data/logistic.ubj", "", "predict");
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> values(rows * 3);
  for (double& value : values) value = normal(random);
  for (auto _ : state) {
    ColumnBuilder predictions(rows);
    if (model->predict({values, rows, 3, {}}, predictions)) state.SkipWithError("the model failed");
    benchmark::DoNotOptimize(predictions.values());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(PredictXgboost)->Arg(1)->Arg(16)->Arg(128)->Arg(1024)->Arg(8192);

}  // namespace
}  // namespace tiderace
