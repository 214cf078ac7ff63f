#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "columnar/batch.h"
#include "expr/evaluate.h"

namespace tiderace {
namespace {

constexpr std::size_t rows = 4096;

ExpressionPtr column(const char* name) {
  return make_expression(ColumnReference{{name}});
}
ExpressionPtr literal(Scalar value) {
  return make_expression(Literal{std::move(value)});
}
ExpressionPtr absolute(const char* name) {
  return make_expression(Unary{UnaryOperator::absolute, column(name)});
}
ExpressionPtr binary(BinaryOperator op, ExpressionPtr left, ExpressionPtr right) {
  return make_expression(Binary{op, std::move(left), std::move(right)});
}

/// `a b c`: floats, one in ten null; `i`: ints; `m`: ints and floats; `s`: strings.
Column numbers(std::uint64_t seed, double nulls, double integers) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> unit(0, 1);
  ColumnBuilder out(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    if (unit(random) < nulls)
      out.set_null(i);
    else if (unit(random) < integers)
      out.set_int64(i, static_cast<std::int64_t>(random() % 100));
    else
      out.set_float64(i, unit(random) * 4 - 2);
  }
  return Column(std::move(out));
}

Batch make_batch() {
  Batch batch;
  batch.rows.resize(rows);
  for (std::uint32_t i = 0; i < rows; ++i) batch.rows[i] = i;
  for (const std::uint64_t seed : {1, 2, 3}) batch.columns.push_back(numbers(seed, 0.1, 0));
  batch.columns.push_back(numbers(4, 0, 1));
  batch.columns.push_back(numbers(5, 0.1, 0.2));
  ColumnBuilder strings(rows);
  for (std::size_t i = 0; i < rows; ++i)
    strings.set_text(i, Kind::string, "Running-" + std::to_string(i % 40));
  batch.columns.push_back(Column(std::move(strings)));
  return batch;
}

void run(benchmark::State& state, const ExpressionPtr& expression) {
  const Evaluator evaluator(expression, [](const ColumnReference& reference) {
    return static_cast<Slot>(std::string("abcims").find(reference.path.front()));
  });
  const Batch batch = make_batch();
  RowErrors errors;
  for (auto _ : state) benchmark::DoNotOptimize(evaluator.evaluate(batch, errors));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(rows));
}

using enum BinaryOperator;

void AbsAbsAbs(benchmark::State& state) {
  run(state, binary(add, binary(add, absolute("a"), absolute("b")), absolute("c")));
}
void AddFloats(benchmark::State& state) {
  run(state, binary(add, column("a"), column("b")));
}
void AddInts(benchmark::State& state) {
  run(state, binary(add, column("i"), literal(std::int64_t{7})));
}
void AddMixed(benchmark::State& state) {
  run(state, binary(add, column("m"), column("a")));
}
void IntsTimesFloat(benchmark::State& state) {
  run(state, binary(multiply, column("i"), literal(0.5)));
}
void Greater(benchmark::State& state) {
  run(state, binary(greater, column("a"), literal(0.5)));
}
void GreaterMixed(benchmark::State& state) {
  run(state, binary(greater, column("m"), literal(0.5)));
}
void NotNullAndGreater(benchmark::State& state) {
  run(state, binary(logical_and, make_expression(Unary{UnaryOperator::not_null, column("a")}),
                    binary(greater, column("b"), literal(0.0))));
}
void WhereFloats(benchmark::State& state) {
  run(state, make_expression(Where{binary(greater, column("a"), literal(0.0)), column("b"), literal(0.0)}));
}
void FillNullFloats(benchmark::State& state) {
  run(state, make_expression(FillNull{column("a"), literal(0.0)}));
}
void RoundFloats(benchmark::State& state) {
  run(state, make_expression(Round{column("a"), 2}));
}
void ClipFloats(benchmark::State& state) {
  run(state, make_expression(Clip{column("a"), literal(-1.0), literal(1.0)}));
}
void StringLower(benchmark::State& state) {
  run(state, make_expression(Unary{UnaryOperator::lower, column("s")}));
}
void StringContains(benchmark::State& state) {
  run(state, make_expression(Match{column("s"), MatchKind::contains_regex, "ing-1"}));
}

BENCHMARK(AbsAbsAbs);
BENCHMARK(AddFloats);
BENCHMARK(AddInts);
BENCHMARK(AddMixed);
BENCHMARK(IntsTimesFloat);
BENCHMARK(Greater);
BENCHMARK(GreaterMixed);
BENCHMARK(NotNullAndGreater);
BENCHMARK(WhereFloats);
BENCHMARK(FillNullFloats);
BENCHMARK(RoundFloats);
BENCHMARK(ClipFloats);
BENCHMARK(StringLower);
BENCHMARK(StringContains);

}  // namespace
}  // namespace tiderace
