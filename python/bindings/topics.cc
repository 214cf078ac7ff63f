#include <tiderace/application.h>
#include <tiderace/producer.h>
#include <tiderace/reader.h>

#include <optional>
#include <utility>

#include "arguments.h"
#include "base/error.h"
#include "bindings.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

/// A TopicProducer or a TransactionalProducer.
template <class Native>
class Producer {
 public:
  explicit Producer(Native producer) : producer_(std::move(producer)) {}
  ~Producer() {
    // It waits for the log's threads, one of which may want the GIL for a function that gives tokens.
    const nb::gil_scoped_release release;
    producer_.reset();
  }

  void produce(const std::string& topic, nb::handle key, nb::handle value,
               std::optional<std::int64_t> timestamp, nb::handle headers) {
    const std::optional<std::string> key_bytes =
        key.is_none() ? std::nullopt : std::optional(bytes_of(key, "key"));
    const std::optional<std::string> value_bytes = value_of(value);
    const ProduceOptions record{topic, key_bytes, value_bytes, timestamp, headers_of(headers)};
    call([&](Native& producer) { producer.produce(record); });
  }

  /// `act` with the producer, without the GIL.
  template <class Act>
  auto call(const Act& act) {
    if (!producer_) throw Error(ErrorKind::config, "the producer is closed; use it inside its `with` block");
    const nb::gil_scoped_release release;
    return act(*producer_);
  }

  [[nodiscard]] bool is_open() const noexcept { return producer_.has_value(); }
  void close() {
    const nb::gil_scoped_release release;
    producer_.reset();
  }

 private:
  static std::optional<std::string> value_of(nb::handle value) {
    if (value.is_none()) return std::nullopt;
    if (nb::isinstance<nb::str>(value) || PyBytes_Check(value.ptr()) != 0) return bytes_of(value, "value");
    std::string json;
    try {
      append_json(json, value, NotFinite::as_null);
    } catch (const UnfitValue& unfit) {
      throw_error(ErrorKind::config, "value: {}", unfit.message);
    }
    return json;
  }

  std::optional<Native> producer_;
};

using Offsets = std::map<std::pair<std::string, std::int32_t>, std::int64_t>;

nb::object bytes_or_none(const std::optional<std::string_view>& bytes) {
  return bytes ? nb::object(nb::bytes(bytes->data(), bytes->size())) : nb::none();
}

/// (topic, partition, offset, timestamp, key, value, headers)
nb::tuple tuple_of(const TopicRecord& record) {
  nb::list headers;
  for (const auto& [name, value] : record.headers())
    headers.append(nb::make_tuple(name, bytes_or_none(value)));
  return nb::make_tuple(record.topic, record.partition, record.offset, record.timestamp,
                        bytes_or_none(record.key), bytes_or_none(record.value), headers);
}

class Reader {
 public:
  Reader(Application& application, const std::vector<std::string>& topics, const std::string& from,
         Offsets offsets, bool until_end)
      : reader_(application.get_reader(topics, {.from = auto_offset_reset("from_", from),
                                                .offsets = std::move(offsets),
                                                .until_end = until_end})) {}

  nb::list poll(nb::handle timeout) {
    const auto wait = duration(timeout, "timeout");
    std::vector<TopicRecord> records;
    {
      const nb::gil_scoped_release release;
      records = reader_.poll(wait);
    }
    nb::list found;
    for (const TopicRecord& record : records) found.append(tuple_of(record));
    return found;
  }
  [[nodiscard]] Offsets positions() const { return reader_.positions(); }
  [[nodiscard]] bool at_end() const { return reader_.at_end(); }

 private:
  TopicReader reader_;
};

}  // namespace

template <class Bound>
nb::class_<Bound> bind_producer_of(nb::module_& module, const char* name) {
  return nb::class_<Bound>(module, name)
      .def(
          "produce", &Bound::produce, nb::arg("topic"), nb::arg("key").none(), nb::arg("value").none(),
          nb::arg("timestamp").none(), nb::arg("headers").none(),
          nb::sig("def produce(self, topic: str, key: object, value: object, timestamp: int | None, headers: "
                  "object) -> None"));
}

void bind_producer(nb::module_& module) {
  using Plain = Producer<TopicProducer>;
  using Transactional = Producer<TransactionalProducer>;
  const auto make = [](Plain* self, Application& application) {
    const nb::gil_scoped_release release;  // the log may have to be waited for
    new (self) Plain(application.get_producer());
  };
  const auto flush = [](Plain& self) { self.call([](TopicProducer& producer) { producer.flush(); }); };
  bind_producer_of<Plain>(module, "Producer")
      .def("__init__", make, nb::arg("application"))
      .def("flush", flush)
      .def("close", [flush](Plain& self) {
        if (self.is_open()) flush(self);
        self.close();
      });
  const auto make_transactional = [](Transactional* self, Application& application, const std::string& id) {
    new (self) Transactional(application.get_transactional_producer(id));
  };
  const auto commit = [](Transactional& self) {
    std::vector<std::pair<std::int32_t, std::int64_t>> stored;
    for (const auto& [partition, offset] :
         self.call([](TransactionalProducer& producer) { return producer.commit(); }))
      stored.emplace_back(partition, offset);
    return stored;
  };
  bind_producer_of<Transactional>(module, "TransactionalProducer")
      .def("is_open", &Transactional::is_open)
      .def("__init__", make_transactional, nb::arg("application"), nb::arg("transactional_id"))
      .def("init_transactions",
           [](Transactional& self) {
             self.call([](TransactionalProducer& producer) { producer.init_transactions(); });
           })
      .def("commit", commit)
      .def("close", &Transactional::close)
      .def("abort",
           [](Transactional& self) { self.call([](TransactionalProducer& producer) { producer.abort(); }); });
}

void bind_reader(nb::module_& module) {
  nb::class_<Reader>(module, "Reader")
      .def(
          "__init__",
          [](Reader* self, Application& application, const std::vector<std::string>& topics,
             const std::string& from, Offsets offsets, bool until_end) {
            const nb::gil_scoped_release release;  // the log may have to be waited for
            new (self) Reader(application, topics, from, std::move(offsets), until_end);
          },
          nb::arg("application"), nb::arg("topics"), nb::arg("from_"), nb::arg("offsets"),
          nb::arg("until_end"))
      .def("poll", &Reader::poll, nb::arg("timeout"),
           nb::sig("def poll(self, timeout: object) -> list[tuple[str, int, int, int, bytes | None, bytes | "
                   "None, list[tuple[str, bytes | None]]]]"))
      .def("positions", &Reader::positions)
      .def("at_end", &Reader::at_end);
}

}  // namespace tiderace::python
