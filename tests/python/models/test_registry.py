"""Registries: what is published comes back, whole, under its number; what is damaged never runs."""

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
import serving
import skl2onnx
import tiderace as tr
import xgboost
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier
from tiderace import registry
from tiderace.registry.objects import Folder

RANDOM = np.random.default_rng(0)
FEATURES = pd.DataFrame(RANDOM.normal(size=(200, 2)), columns=["total", "total-10s"])
LABELS = (FEATURES["total"] + FEATURES["total-10s"] > 0).astype(int)
ROWS = FEATURES.to_dict("records")


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database of MLflow's, which takes it some seconds to make."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "empty.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def mlflow(empty_mlflow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of MLflow's artifacts; its registry is a SQLite file beside."""
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "tests")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mlruns"


@pytest.fixture(params=["file", "s3", "mlflow"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a model may be published, in each of the registries."""
    if request.param == "s3":
        return f"s3://{request.getfixturevalue('bucket')}/models/shaking"
    if request.param == "mlflow":
        request.getfixturevalue("mlflow")
        return "models:/shaking"
    return f"file:{tmp_path}/models/shaking"


@pytest.fixture
def blobs(address: str, tmp_path: Path) -> Callable[[], list[str]]:
    """The files, or keys, in which the models of the registry are."""

    def listed() -> list[str]:
        if address.startswith("s3"):
            found = boto3.client("s3").list_objects_v2(Bucket=address.split("/")[2])
            return [each["Key"] for each in found.get("Contents", ()) if "/blobs/" in each["Key"]]
        suffixes = (".pkl", ".ubj", ".onnx")
        return [
            f"{folder}/{name}"
            for folder, _, names in os.walk(tmp_path)
            for name in names
            if name.endswith(suffixes)
        ]

    return listed


@pytest.fixture
def overwrite(address: str) -> Callable[[str, bytes], None]:
    def write(key: str, content: bytes) -> None:
        if address.startswith("s3"):
            boto3.client("s3").put_object(Bucket=address.split("/")[2], Key=key, Body=content)
        else:
            Path(key).write_bytes(content)

    return write


def tree(depth: int = 4) -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=depth, random_state=0).fit(FEATURES, LABELS)


def evil(ran: Path) -> bytes:
    """A pickle whose code makes the file `ran`."""
    return b"cbuiltins\nexec\n(S'open(\"" + str(ran).encode() + b'", "w")\'\ntR.'


def predicted(sdf: tr.StreamingDataFrame, model: tr.Model, **options: Any) -> list[Any]:
    sdf["y"] = model.predict(sdf[["total", "total-10s"]], **options)
    found: list[Any] = sdf.backtest(ROWS)["y"].to_pylist()
    return found


def test_a_round_trip(address: str, sdf: tr.StreamingDataFrame) -> None:
    published = tr.publish_model(
        tree(),
        address,
        metrics={"f1": np.float64(0.9)},
        training_range=(pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01")),
        alias="champion",
    )
    assert (published.name, published.version) == ("shaking", "1")
    model = tr.load_model(f"{address}@champion")
    assert model.version == "1"
    assert model.about == published
    assert model.about.features == {"total": "float64", "total-10s": "float64"}
    assert model.about.metrics == {"f1": 0.9}
    assert model.about.training_range == ["2026-01-01T00:00:00", "2026-02-01T00:00:00"]
    assert {"tiderace", "scikit-learn", "numpy"} == set(model.about.libraries)
    assert len(model.about.sha256) == 64
    assert predicted(sdf, model) == tree().predict(FEATURES).tolist()
    found = predicted(sdf, model, method="predict_proba")
    assert found == tree().predict_proba(FEATURES)[:, 1].tolist()


def test_versions_count_and_stay(address: str, sdf: tr.StreamingDataFrame) -> None:
    first = tr.publish_model(tree(1), address, alias="champion")
    second = tr.publish_model(tree(5), address)
    again = tr.publish_model(tree(1), address)
    assert [each.version for each in (first, second, again)] == ["1", "2", "3"]
    assert again.sha256 == first.sha256
    mark = "/" if address.startswith("models:") else "@"
    assert tr.load_model(f"{address}{mark}2").about == second
    assert tr.load_model(address).version == "3"
    assert tr.load_model(f"{address}{mark}latest").version == "3"
    assert tr.load_model(f"{address}@champion").version == "1"
    tr.promote_model(address, 2)
    model = tr.load_model(f"{address}@champion")
    assert model.version == "2"
    assert predicted(sdf, model) == tree(5).predict(FEATURES).tolist()


def test_models_that_are_not_pickles(address: str, sdf: tr.StreamingDataFrame, tmp_path: Path) -> None:
    boosted = xgboost.XGBClassifier(n_estimators=5, max_depth=3, base_score=0.5).fit(FEATURES, LABELS)
    published = tr.publish_model(boosted, address)
    assert (published.file, list(published.features)) == ("model.ubj", ["total", "total-10s"])
    single = FEATURES.astype(np.float32).astype(float)
    sdf["y"] = tr.load_model(address).predict(sdf[["total", "total-10s"]])
    found = sdf.backtest(single.to_dict("records"))["y"].to_pylist()
    assert found == boosted.predict(single).tolist()
    onnx = skl2onnx.to_onnx(tree(), FEATURES.to_numpy(np.float32)[:1], options={"zipmap": False})
    for model in (onnx, tmp_path / "tree.onnx"):
        if isinstance(model, Path):
            model.write_bytes(onnx.SerializeToString())
        assert tr.publish_model(model, address, features=FEATURES).file == "model.onnx"
        assert len(predicted(sdf, tr.load_model(address))) == len(ROWS)


def test_a_damaged_model_is_never_run(
    address: str,
    blobs: Callable[[], list[str]],
    overwrite: Callable[[str, bytes], None],
    tmp_path: Path,
) -> None:
    published = tr.publish_model(tree(), address)
    (blob,) = blobs()
    whole = pickle.dumps(tree(), protocol=5)
    ran = tmp_path / "ran"
    for content in (whole[:-100], b"", evil(ran)):
        overwrite(blob, content)
        with pytest.raises(tr.ConfigError, match=f"version 1 is damaged: wanted SHA-256 {published.sha256}"):
            tr.load_model(address)
    assert not ran.exists()
    tr.publish_model(tree(), address)  # the same bytes again: whole again
    assert tr.load_model(address).version == "2"


@pytest.mark.parametrize("address", ["file", "s3"], indirect=True)
def test_damaged_descriptions(address: str, overwrite: Callable[[str, bytes], None]) -> None:
    tr.publish_model(tree(), address, alias="champion")
    root = "models/shaking" if address.startswith("s3") else address.removeprefix("file:")
    for content in (b"", b"{", b'{"format": 1}', b"[]"):
        overwrite(f"{root}/versions/1.json", content)
        with pytest.raises(tr.ConfigError, match=r"versions/1\.json is damaged"):
            tr.load_model(address)
    overwrite(f"{root}/versions/1.json", b'{"format": 2}')
    with pytest.raises(tr.ConfigError, match="has format 2, this library reads 1"):
        tr.load_model(address)
    overwrite(f"{root}/aliases/champion", b"one")
    with pytest.raises(tr.ConfigError, match="alias 'champion' is damaged: it says 'one'"):
        tr.load_model(f"{address}@champion")


def test_what_is_not_there(address: str) -> None:
    with pytest.raises(tr.ConfigError, match=r"shaking"):
        tr.load_model(address)
    with pytest.raises(tr.ConfigError):
        tr.load_model(f"{address}@champion")
    tr.publish_model(tree(), address, alias="champion")
    with pytest.raises(tr.ConfigError, match="nobody"):
        tr.load_model(f"{address}@nobody")
    mark = "/" if address.startswith("models:") else "@"
    with pytest.raises(tr.ConfigError, match="version 7"):
        tr.load_model(f"{address}{mark}7")
    with pytest.raises(tr.ConfigError):
        tr.promote_model(address, 7)
    assert tr.load_model(f"{address}@champion").version == "1"


def test_a_hash_that_is_wanted(address: str) -> None:
    published = tr.publish_model(tree(), address)
    assert tr.load_model(address, sha256=published.sha256.upper()).version == "1"
    with pytest.raises(tr.ConfigError, match=f"version 1 has {published.sha256}"):
        tr.load_model(address, sha256="0" * 64)


def test_a_hash_that_is_wanted_is_compared_before_anything_runs(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write to the registry publishes a pickle with code in it, under its own, right hash."""
    ran = tmp_path / "ran"
    monkeypatch.setattr(registry.runnable, "_pickled", lambda _: evil(ran))
    bind = registry.runnable.of_object(tree(), "tree")
    monkeypatch.setattr(registry, "of_file", lambda *_: bind)  # the publisher's own check would run it
    published = tr.publish_model(tree(), address)
    with pytest.raises(tr.ConfigError, match=f"version 1 has {published.sha256}"):
        tr.load_model(address, sha256="0" * 64)
    assert not ran.exists()
    with pytest.raises(tr.ConfigError):
        tr.load_model(address)
    assert ran.exists(), "without a hash it does run"


def test_publishers_at_the_same_moment(address: str) -> None:
    """Eight at once on files; one after the other where MLflow's SQLite has them wait for each other."""
    models = [tree(depth) for depth in range(1, 9)]
    threads = 1 if address.startswith("models:") else 8
    with ThreadPoolExecutor(threads) as pool:
        published = list(pool.map(lambda model: tr.publish_model(model, address), models))
    assert sorted(int(each.version) for each in published) == list(range(1, 9))
    mark = "/" if address.startswith("models:") else "@"
    for each in published:
        assert tr.load_model(f"{address}{mark}{each.version}").about == each


def test_an_alias_moves_whole(tmp_path: Path) -> None:
    """Readers meanwhile see one version or the other, and always a whole model."""
    address = f"{tmp_path}/shaking"
    for depth in (1, 2):
        tr.publish_model(tree(depth), address, alias="champion")
    with ThreadPoolExecutor(1) as pool:
        moves = pool.submit(lambda: [tr.promote_model(address, 1 + i % 2) for i in range(200)])
        seen = set()
        while not moves.done():
            seen.add(tr.load_model(f"{address}@champion").version)
        moves.result()
    assert seen <= {"1", "2"}


def test_a_publisher_that_is_killed_leaves_nothing_half(tmp_path: Path) -> None:
    """At whatever write it dies, the versions that there are load."""
    address = tmp_path / "shaking"
    program = (
        "import os, signal, sys, tiderace as tr\n"
        "from sklearn.linear_model import LinearRegression\n"
        "from tiderace.registry import objects\n"
        "def publish(left):\n"
        "    for name in ('fsync', 'link', 'fchmod'):\n"
        "        def call(*a, real=getattr(os, name)):\n"
        "            nonlocal left\n"
        "            left -= 1\n"
        "            if left < 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "            return real(*a)\n"
        "        setattr(objects.os, name, call)\n"
        "    line = LinearRegression().fit([[0.0], [1.0 + left]], [1.0, 3.0])\n"
        "    tr.publish_model(line, sys.argv[1], features=['x'], alias='champion')\n"
        "    os._exit(0)\n"
        "for left in range(40):\n"
        "    child = os.fork() or publish(left)\n"
        "    print(os.waitpid(child, 0)[1], flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    killed = 0
    with subprocess.Popen(
        [sys.executable, "-c", program, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as publisher:
        assert publisher.stdin
        assert publisher.stdout
        while (status := int(publisher.stdout.readline())) == signal.SIGKILL:
            killed += 1
            for name in os.listdir(address / "versions") if (address / "versions").exists() else ():
                if name.endswith(".json"):
                    tr.load_model(f"{address}@{name.removesuffix('.json')}")
            publisher.stdin.write("\n")
            publisher.stdin.flush()
        publisher.kill()
    assert status == 0
    assert killed >= 10
    assert tr.load_model(f"{address}@champion").version == tr.load_model(address).version


def test_arrays_in_a_training_range(tmp_path: Path) -> None:
    limits = {"low": FEATURES.to_numpy().min(axis=0), "high": np.float64(3)}
    published = tr.publish_model(tree(), tmp_path / "shaking", training_range=limits)
    assert published.training_range == {"low": FEATURES.min().tolist(), "high": 3.0}
    loaded = tr.load_model(tmp_path / "shaking")
    assert loaded.about == published


def test_features_that_a_model_says_itself_or_is_said_of(tmp_path: Path) -> None:
    line = LinearRegression().fit(FEATURES.to_numpy(), LABELS)
    address = f"{tmp_path}/line"
    with pytest.raises(tr.ConfigError, match="features: the model does not say"):
        tr.publish_model(line, address)
    assert tr.publish_model(line, address, features=["a", "b"]).features == {"a": "float64", "b": "float64"}
    typed = FEATURES.assign(count=1, flag=True).astype({"total": np.float32})
    wide = LinearRegression().fit(typed.to_numpy(float), LABELS)
    assert tr.publish_model(wide, address, features=typed).features == {
        "total": "float64", "total-10s": "float64", "count": "int64", "flag": "bool"
    }  # fmt: skip
    for wrong in ("ab", [], ["a", "a"], {"a": "string"}, [1, 2], FEATURES.to_numpy(), 3):
        with pytest.raises(tr.ConfigError, match="features: wanted"):
            tr.publish_model(line, address, features=wrong)
    assert tr.load_model(address).version == "2"


def test_mistakes(tmp_path: Path) -> None:
    address = f"{tmp_path}/shaking"
    with pytest.raises(tr.ConfigError, match="cannot pickle"):
        tr.publish_model(type("Local", (), {"predict": lambda self, x: x})(), address, features=["x"])
    with pytest.raises(tr.ConfigError, match="predict"):
        tr.publish_model({"not": "a model"}, address, features=["x"])
    with pytest.raises(tr.ConfigError, match=r"ends in \.pkl"):
        tr.publish_model(tmp_path / "model.txt", address, features=["x"])
    with pytest.raises(tr.ConfigError, match="metrics: wanted numbers"):
        tr.publish_model(tree(), address, metrics={"f1": "high"})
    with pytest.raises(tr.ConfigError, match="metrics: wanted finite numbers"):
        tr.publish_model(tree(), address, metrics={"f1": np.nan})
    with pytest.raises(tr.ConfigError, match="training_range: wanted finite numbers"):
        tr.publish_model(tree(), address, training_range=[0.0, np.inf])
    for features in (["total-10s", "total"], ["total"], ["a", "b"]):
        with pytest.raises(tr.ConfigError, match=r"features: .* would be refused by the model itself"):
            tr.publish_model(tree(), address, features=features)
    with pytest.raises(tr.ConfigError, match="wanted a model without a version"):
        tr.publish_model(tree(), f"{address}@3")
    for alias in ("latest", "3", "a/b", "-"):
        with pytest.raises(tr.ConfigError, match="as an alias"):
            tr.publish_model(tree(), address, alias=alias)
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(tree()))
    with pytest.raises(tr.ConfigError, match="found the file"):
        tr.publish_model(tree(), tmp_path / "file.pkl")
    with pytest.raises(tr.ConfigError, match="wanted s3://BUCKET/PREFIX"):
        tr.load_model("s3://bucket")
    with pytest.raises(tr.ConfigError, match="wanted models:/NAME"):
        tr.load_model("models:/")
    for elsewhere in ("gs://bucket/shaking", "runs:/4f2/model"):
        for use in (tr.load_model, lambda address: tr.publish_model(tree(), address)):
            with pytest.raises(tr.ConfigError, match=f"a path, found '{elsewhere}'"):
                use(elsewhere)
    assert not (tmp_path / "shaking").exists()


def test_a_file_by_its_url(tmp_path: Path, sdf: tr.StreamingDataFrame) -> None:
    path = tmp_path / "tree.pkl"
    path.write_bytes(pickle.dumps(tree()))
    for reference in (path, str(path), f"file:{path}", f"file://{path}"):
        assert predicted(sdf, tr.load_model(reference)) == tree().predict(FEATURES).tolist()
    assert tr.load_model(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()).version is None


def test_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str, mlflow: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(tr.ConfigError, match="cannot list s3://"):
        tr.load_model(f"s3://{bucket}/models/shaking")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(tr.ConfigError, match="models:/shaking"):
        tr.load_model("models:/shaking@champion")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tiderace.registry.objects.os.link", refuse)
    with pytest.raises(tr.ConfigError, match=r"cannot write '.*blobs/.*': Permission denied"):
        tr.publish_model(tree(), tmp_path / "shaking")
    assert not [name for _, _, names in os.walk(tmp_path) for name in names]


def test_without_the_packages(tmp_path: Path) -> None:
    for module, reference, wanted in (
        ("boto3", "s3://bucket/x", 'pip install "tiderace[s3]"'),
        ("mlflow", "models:/x", 'pip install "tiderace[mlflow]"'),
    ):
        program = (
            f"import sys; sys.modules['{module}'] = None\n"
            "import tiderace as tr\n"
            f"try: tr.load_model('{reference}')\n"
            "except tr.ConfigError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert wanted in done.stdout


def test_a_service_takes_up_what_is_published(
    address: str, app: tr.Application, sdf: tr.StreamingDataFrame
) -> None:
    """Polled on a thread of the engine's, from each of the registries."""
    serving.publish(address, 1)
    model = tr.load_model(f"{address}@champion", poll_interval="10ms")
    sdf["y"] = model.predict(sdf[["x"]])
    sdf.to_topic(app.topic("output"))
    with serving.Serving(app).running() as service:
        assert service.send(1).y == 1
        serving.publish(address, 2)
        serving.until(lambda: model.version == "2")
        assert service.send(2, 3).y == 6


def test_stages_of_mlflow(mlflow: Path) -> None:
    from mlflow import MlflowClient

    for depth in (1, 2):
        tr.publish_model(tree(depth), "models:/shaking")
    with pytest.warns(FutureWarning):
        MlflowClient().transition_model_version_stage("shaking", "1", "Production")
    assert tr.load_model("models:/shaking/Production").version == "1"
    with pytest.raises(tr.ConfigError, match="no version in the stage 'Staging'"):
        tr.load_model("models:/shaking/Staging")


def test_models_that_others_logged_to_mlflow(mlflow: Path, sdf: tr.StreamingDataFrame) -> None:
    import mlflow as client
    from mlflow.models import infer_signature

    signature = infer_signature(FEATURES, LABELS)
    with client.start_run():
        client.sklearn.log_model(
            tree(),
            name="tree",
            signature=signature,
            registered_model_name="logged",
            serialization_format="pickle",
        )
    model = tr.load_model("models:/logged/1")
    assert predicted(sdf, model) == tree().predict(FEATURES).tolist()
    assert model.about is not None
    assert model.about.features == {"total": "float64", "total-10s": "float64"}
    with pytest.raises(tr.PlanError, match="missing: total-10s; not known to it: mean"):
        model.predict(sdf[["total", "mean"]])


def test_a_pyfunc_that_others_logged_to_mlflow(
    mlflow: Path, sdf: tr.StreamingDataFrame, tmp_path: Path
) -> None:
    """It gets a frame with the names and types of its signature, and reads its files when it is called."""
    import mlflow as client
    from mlflow.models import infer_signature

    class Offset(client.pyfunc.PythonModel):  # type: ignore[name-defined,misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            offset = float(Path(context.artifacts["offset"]).read_text())
            return model_input["total"] + 10 * model_input["count"] + offset

    (tmp_path / "offset.txt").write_text("0.5")
    typed = pd.DataFrame({"total": [0.5], "count": [3]})
    with client.start_run():
        client.pyfunc.log_model(
            name="offset",
            python_model=Offset(),
            artifacts={"offset": str(tmp_path / "offset.txt")},
            signature=infer_signature(typed, typed["total"]),
            registered_model_name="offset",
            pip_requirements=[],
        )
    model = tr.load_model("models:/offset/1")
    sdf["count"] = sdf["count"].astype("int64")
    sdf["y"] = model.predict(sdf[["total", "count"]])
    assert sdf.backtest([{"total": 1.0, "count": 2}])["y"].to_pylist() == [21.5]


def test_data_that_others_logged_to_mlflow(mlflow: Path, sdf: tr.StreamingDataFrame) -> None:
    """Files of XGBoost and ONNX are read by their own libraries, and have a hash."""
    import mlflow as client
    from mlflow.models import infer_signature

    single = FEATURES.astype(np.float32).astype(float)
    signature = infer_signature(single, LABELS)
    boosted = xgboost.XGBClassifier(n_estimators=5, max_depth=3, base_score=0.5).fit(single, LABELS)
    onnx = skl2onnx.to_onnx(tree(), FEATURES.to_numpy(np.float32)[:1], options={"zipmap": False})
    with client.start_run():
        client.xgboost.log_model(
            boosted, name="boosted", signature=signature, registered_model_name="boosted", pip_requirements=[]
        )
        client.onnx.log_model(
            onnx, name="onnx", signature=signature, registered_model_name="onnx", pip_requirements=[]
        )
    for name, wanted in (("boosted", boosted.predict(single)), ("onnx", tree().predict(single))):
        model = tr.load_model(f"models:/{name}/1")
        assert model.about is not None
        assert tr.load_model(f"models:/{name}/1", sha256=model.about.sha256).version == "1"
        sdf["y"] = model.predict(sdf[["total", "total-10s"]])
        assert sdf.backtest(single.to_dict("records"))["y"].to_pylist() == wanted.tolist()


def test_a_publication_that_fails_ends_its_run(mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(MlflowClient, "log_artifacts", refuse)
    with pytest.raises(tr.ConfigError, match="no space"):
        tr.publish_model(tree(), "models:/shaking")
    experiment = MlflowClient().get_experiment_by_name("tests")
    (run,) = MlflowClient().search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"


def test_a_hash_that_is_wanted_of_what_others_logged(mlflow: Path, tmp_path: Path) -> None:
    """Their pickles have no hash on record, so that none is unpacked."""
    import mlflow as client

    with client.start_run():
        client.sklearn.log_model(
            tree(), name="tree", registered_model_name="logged", serialization_format="pickle"
        )
    (stored,) = mlflow.rglob("model.pkl")
    ran = tmp_path / "ran"
    stored.write_bytes(evil(ran))
    with pytest.raises(tr.ConfigError, match="none on record, so that it is not unpacked"):
        tr.load_model("models:/logged/1", sha256=hashlib.sha256(evil(ran)).hexdigest())
    assert not ran.exists()
    with pytest.raises(tr.ConfigError):
        tr.load_model("models:/logged/1")
    assert ran.exists(), "without a hash it does run"


def test_mlflow_loads_what_is_published(mlflow: Path) -> None:
    import mlflow as client

    tr.publish_model(tree(), "models:/shaking", metrics={"f1": 0.5}, alias="champion")
    loaded = client.sklearn.load_model("models:/shaking@champion")
    assert loaded.predict(FEATURES).tolist() == tree().predict(FEATURES).tolist()
    version = client.MlflowClient().get_model_version_by_alias("shaking", "champion")
    assert client.MlflowClient().get_run(version.run_id).data.metrics == {"f1": 0.5}


def test_the_files_of_a_registry(tmp_path: Path) -> None:
    """A folder and a bucket have the same layout, so that either can be copied to the other."""
    about = tr.publish_model(tree(), tmp_path / "shaking", alias="champion")
    files = {
        str(Path(folder, name).relative_to(tmp_path / "shaking"))
        for folder, _, names in os.walk(tmp_path / "shaking")
        for name in names
    }
    assert files == {f"blobs/{about.sha256}.pkl", "taken/1", "versions/1.json", "aliases/champion"}
    assert (tmp_path / "shaking/taken/1").read_text() == f"{about.sha256}\n"
    stored = json.loads((tmp_path / "shaking/versions/1.json").read_text())
    assert stored["format"] == 1
    assert list(stored["features"]) == ["total", "total-10s"]
    assert (tmp_path / "shaking/aliases/champion").read_text() == "1\n"
    assert Folder(tmp_path / "shaking").names("versions") == ["1.json"]
    found = registry.find(str(tmp_path / "shaking@champion"))
    assert isinstance(found, registry.Reference)
    assert found.moves
