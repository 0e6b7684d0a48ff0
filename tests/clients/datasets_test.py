"""The datasets library: small real sets of well-known packages, pushed, loaded and streamed."""

import itertools
import shutil
from pathlib import Path

import pytest

datasets = pytest.importorskip("datasets")
from datasets import Dataset, DatasetDict, load_dataset  # noqa: E402


@pytest.fixture(scope="module")
def iris_csv() -> Path:
    import sklearn.datasets
    return Path(sklearn.datasets.__file__).parent / "data" / "iris.csv"


@pytest.fixture(scope="module")
def cars_json() -> Path:
    import vega_datasets
    return Path(vega_datasets.__file__).parent / "_data" / "cars.json"


@pytest.fixture
def dataset_repo(api, new_name) -> str:
    repo_id = new_name()
    api.create_repo(repo_id, repo_type="dataset")
    return repo_id


def test_csv_is_loaded_and_streamed(api, dataset_repo, tmp_path):
    import pandas
    import sklearn.datasets
    frame = sklearn.datasets.load_iris(as_frame=True).frame
    frame.to_csv(tmp_path / "train.csv", index=False)
    api.upload_file(path_or_fileobj=tmp_path / "train.csv", path_in_repo="train.csv", repo_id=dataset_repo, repo_type="dataset")
    loaded = load_dataset(dataset_repo, split="train", cache_dir=tmp_path / "cache")
    pandas.testing.assert_frame_equal(loaded.to_pandas(), frame)
    streamed = list(load_dataset(dataset_repo, split="train", streaming=True))
    assert streamed == loaded.to_list()


def test_json_with_splits_is_loaded_and_streamed(api, dataset_repo, cars_json, tmp_path):
    (tmp_path / "up" / "data").mkdir(parents=True)
    shutil.copy(cars_json, tmp_path / "up" / "data" / "train.json")
    shutil.copy(cars_json, tmp_path / "up" / "data" / "test.json")
    (tmp_path / "up" / "README.md").write_text("---\nlicense: bsd-3-clause\ntask_categories:\n- tabular-regression\n---\n# Cars\n")
    api.upload_folder(folder_path=tmp_path / "up", repo_id=dataset_repo, repo_type="dataset")
    loaded = load_dataset(dataset_repo, cache_dir=tmp_path / "cache")
    assert set(loaded) == {"train", "test"} and loaded["train"].num_rows == 406
    first = next(iter(load_dataset(dataset_repo, split="test", streaming=True)))
    assert first == loaded["test"][0]
    assert "task_categories:tabular-regression" in api.dataset_info(dataset_repo).tags


def test_push_to_hub_again_and_again(new_name, tmp_path):
    repo_id = new_name()
    rows = {"n": list(range(1000)), "text": [f"row {index}" for index in range(1000)]}
    DatasetDict({"train": Dataset.from_dict(rows)}).push_to_hub(repo_id)
    assert load_dataset(repo_id, split="train", cache_dir=tmp_path / "1").to_dict() == rows
    Dataset.from_dict({"n": [1], "text": ["x"]}).push_to_hub(repo_id, split="test")
    both = load_dataset(repo_id, cache_dir=tmp_path / "2")
    assert both["train"].num_rows == 1000 and both["test"].num_rows == 1
    Dataset.from_dict({"k": [7]}).push_to_hub(repo_id, config_name="other")
    assert load_dataset(repo_id, "other", split="train", cache_dir=tmp_path / "3")["k"] == [7]


def test_parquet_is_streamed_in_shards(new_name):
    repo_id = new_name()
    Dataset.from_dict({"n": list(range(10_000))}).push_to_hub(repo_id, num_shards=4, private=True)
    stream = load_dataset(repo_id, split="train", streaming=True)
    assert [row["n"] for row in itertools.islice(stream, 3)] == [0, 1, 2]
    assert sum(1 for _ in stream) == 10_000
