"""From original files to a data set: pixels, labels, what is skipped, what is refused; and verify."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from data_originals import write_idx

import pydml
from pydml.data import commands
from pydml.data.arrays import cifar_files, idx_files
from pydml.data.prepare import Report, prepare
from pydml.data.verify import verify
from pydml.diagnostics import DMLError
from pydml.io.dataset import load_manifest

Image = pytest.importorskip("PIL.Image", reason="decoding photographs needs Pillow")
from pydml.data.images import decode, photographs  # noqa: E402


def pixels_of(folder, split="train"):
    m = load_manifest(str(folder / split))
    shards = [(folder / split / s.file).read_bytes() for s in m.shards]
    return np.frombuffer(b"".join(shards), np.uint8).reshape(m.rows, m.channels, m.height, m.width)


def labels_of(folder, split="train"):
    return pydml.run(f'y = read("{folder}/{split}.labels")').y[:, 0].astype(int)


@pytest.fixture
def photos(tmp_path):
    """Three classes of 12, 6 and 2 pictures; every picture of a class has the class's colour."""
    folder = tmp_path / "photos"
    for name, colour, count in (("blue", (0, 0, 250), 12), ("green", (0, 250, 0), 6), ("red", (250, 0, 0), 2)):
        (folder / name / "more").mkdir(parents=True)
        for k in range(count):
            place = folder / name / ("more" if k % 2 else ".")
            kind = ("png", "jpg", "JPEG")[k % 3]
            Image.new("RGB", (20 + k, 30), colour).save(place / f"{k}.{kind}", "PNG" if kind == "png" else "JPEG")
    return folder


def made(photos, out, **more):
    return prepare(photographs(str(photos), resize=10, size=8, **more), str(out), shard_bytes=5 * 192)


# ---- photographs


def test_photographs_become_rows_with_their_labels(photos, tmp_path):
    result = made(photos, tmp_path / "set", validation=0.25)
    assert result.rows == {"train": 15, "val": 5} and not result.skipped
    assert (tmp_path / "set" / "classes.txt").read_text() == "blue\ngreen\nred\n"
    for split in ("train", "val"):
        colours, labels = pixels_of(tmp_path / "set", split), labels_of(tmp_path / "set", split)
        channel = np.array([0, 2, 1, 0])[labels]  # blue is class 1 and channel 2
        n = np.arange(len(labels))
        assert (colours[n, channel] > 240).all() and colours.sum() < 260 * len(labels) * 64
    counts = np.bincount(labels_of(tmp_path / "set"), minlength=4)[1:]
    assert counts.tolist() == [9, 4, 2]
    assert labels_of(tmp_path / "set").tolist() != sorted(labels_of(tmp_path / "set"))


def test_train_and_val_folders_are_kept(photos, tmp_path):
    folder = tmp_path / "both"
    folder.mkdir()
    photos.rename(folder / "train")
    (folder / "val" / "green").mkdir(parents=True)
    Image.new("RGB", (9, 9), (0, 250, 0)).save(folder / "val" / "green" / "x.png")
    assert made(folder, tmp_path / "set").rows == {"train": 20, "val": 1}
    assert labels_of(tmp_path / "set", "val").tolist() == [2]
    (folder / "val" / "yellow").mkdir()
    with pytest.raises(DMLError, match="class yellow"):
        made(folder, tmp_path / "set2")


def test_the_choice_for_validation_does_not_move_when_pictures_are_added(photos, tmp_path):
    before = {f for f, _ in photographs(str(photos), resize=10, size=8).splits[1].files}
    for k in range(3):
        Image.new("RGB", (9, 9)).save(photos / "red" / f"added{k}.png")
    after = {f for f, _ in photographs(str(photos), resize=10, size=8).splits[1].files}
    assert before <= after


def test_broken_pictures_are_named_and_skipped(photos, tmp_path, capsys):
    (photos / "blue" / "broken.jpg").write_bytes(b"no picture")
    whole = (photos / "green" / "0.png").read_bytes()
    (photos / "green" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (photos / "red" / "empty.png").write_bytes(b"")
    (photos / "red" / "notes.txt").write_text("no picture either")
    Image.new("RGB", (9, 9)).save(photos / "red" / "gif.png", "GIF")
    arguments = ["--input_dir", str(photos), "--output-dir", str(tmp_path / "set"), "--resize", "10", "--size", "8"]
    assert commands.prepare_main([*arguments, "--validation", "0"]) == 0
    out, err = capsys.readouterr()
    assert "20 train images of 3 x 8 x 8, 3 classes" in out
    assert "4 broken images were skipped" in err and "1 .txt" in err
    assert "blue/broken.jpg: not a picture" in err and "red/gif.png: a file of format GIF" in err
    skipped = dict(json.loads((tmp_path / "set" / "manifest.json").read_text())["skipped"])
    assert set(skipped) == {"blue/broken.jpg", "green/cut.png", "red/empty.png", "red/gif.png"}
    assert pixels_of(tmp_path / "set").shape[0] == 20 == len(labels_of(tmp_path / "set"))


def test_decoding_resizes_the_shorter_side_and_cuts_the_centre(tmp_path):
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80] = (10, 20, 30)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    got = decode(str(tmp_path / "wide.png"), 20, 16).reshape(3, 16, 16)
    assert (got == np.array([10, 20, 30])[:, None, None]).all()


@pytest.mark.parametrize(
    "mode, colour, expected",
    [
        ("RGBA", (0, 0, 200, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 200, 255), (0, 0, 200)),
        ("LA", (7, 255), (7, 7, 7)),
        ("P", 0, (0, 0, 0)),
        ("1", 1, (255, 255, 255)),
        ("I;16", 0x8000, (128, 128, 128)),
    ],
)
def test_kinds_of_pixels(tmp_path, mode, colour, expected):
    Image.new(mode, (12, 12), colour).save(tmp_path / "x.png")
    got = decode(str(tmp_path / "x.png"), 12, 10).reshape(3, 100)
    assert (got == np.array(expected)[:, None]).all()


def test_pictures_are_turned_as_their_camera_says(tmp_path):
    cells = np.zeros((16, 16, 3), np.uint8)
    cells[:8] = 250
    exif = Image.Exif()
    exif[0x0112] = 6  # the first row is on the right
    Image.fromarray(cells).save(tmp_path / "x.jpg", exif=exif, quality=95)
    got = decode(str(tmp_path / "x.jpg"), 16, 16, 1).reshape(16, 16)
    assert (got[:, 9:] > 240).all() and (got[:, :7] < 10).all()


# ---- arrays


def test_idx_files(idx_folder, tmp_path):
    import gzip

    plain = idx_folder / "t10k-images-idx3-ubyte"
    (idx_folder / (plain.name + ".gz")).write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    result = prepare(idx_files(str(idx_folder)), str(tmp_path / "set"))
    assert result.rows == {"train": 50, "val": 20}
    expected = np.random.default_rng(1).integers(0, 256, (50, 1, 4, 5))
    np.testing.assert_array_equal(pixels_of(tmp_path / "set"), expected)
    mean, std = pydml.run(f'N = read("{tmp_path}/set/normalization.csv")').N[:, 0]
    np.testing.assert_allclose([mean, std], [expected.mean() / 255, expected.std() / 255], rtol=1e-14)


@pytest.mark.parametrize("coarse", [False, True])
def test_cifar_files(tmp_path, coarse):
    random = np.random.default_rng(7)
    folder = tmp_path / "cifar"
    folder.mkdir()
    content, names = (
        {},
        ("train.bin", "test.bin") if coarse else ("data_batch_1.bin", "data_batch_2.bin", "test_batch.bin"),
    )
    for name in names:
        labels, cells = random.integers(0, 10, (4, 1 + coarse)), random.integers(0, 256, (4, 3072))
        (folder / name).write_bytes(np.hstack([labels, cells]).astype(np.uint8).tobytes())
        content[name] = labels[:, -1] + 1, cells.reshape(4, 3, 32, 32)
    meta = "fine_label_names.txt" if coarse else "batches.meta.txt"
    (folder / meta).write_text("".join(f"name{k}\n" for k in range(100 if coarse else 10)) + "\n")
    prepare(cifar_files(str(folder)), str(tmp_path / "set"), shard_bytes=3 * 3072)
    np.testing.assert_array_equal(
        pixels_of(tmp_path / "set"), np.concatenate([c for n, (_, c) in content.items() if "test" not in n])
    )
    expected = np.concatenate([y for n, (y, _) in content.items() if "test" not in n])
    np.testing.assert_array_equal(labels_of(tmp_path / "set"), expected)
    np.testing.assert_array_equal(labels_of(tmp_path / "set", "val"), content[names[-1]][0])
    assert (tmp_path / "set" / "classes.txt").read_text().startswith("name0\nname1\n")


@pytest.mark.parametrize("normalize, first", [("imagenet", 0.485), ("none", 0)])
def test_other_normalisations(photos, tmp_path, normalize, first):
    prepare(photographs(str(photos), resize=10, size=8), str(tmp_path / "set"), normalize=normalize)
    assert load_manifest(str(tmp_path / "set" / "train")).mean[0] == first


# ---- what is refused


def test_mistakes(idx_folder, photos, tmp_path):
    def fails(text, function, *arguments, **named):
        with pytest.raises(DMLError, match=text):
            function(*arguments, **named)

    fails("no folder", idx_files, str(tmp_path / "nowhere"))
    fails("no folder", photographs, str(tmp_path / "nowhere"))
    fails("there is no file train-images", idx_files, str(photos))
    fails("neither data_batch_1", cifar_files, str(photos))
    fails("no class folders", photographs, str(photos / "blue" / "more"))
    fails("the size 9 must be", photographs, str(photos), resize=8, size=9)
    fails("share of the validation", photographs, str(photos), validation=1.0)
    fails("normalize must be", prepare, idx_files(str(idx_folder)), str(tmp_path / "x"), normalize="other")
    fails("are for 3 channels", prepare, idx_files(str(idx_folder)), str(tmp_path / "x"), normalize="imagenet")
    write_idx(idx_folder / "emnist-train-images-idx3-ubyte", np.zeros((2, 4, 5)))
    fails("several data sets", idx_files, str(idx_folder))
    fails("not its labels", idx_files, str(idx_folder), "emnist-")
    write_idx(idx_folder / "emnist-train-labels-idx1-ubyte", np.zeros(3))
    fails("do not fit together", idx_files, str(idx_folder), "emnist-")
    for file in photos.rglob("*.*"):
        if file.is_file():
            file.write_bytes(b"")
    fails("none of the training images", made, photos, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_nothing_but_a_data_set_is_replaced(idx_folder, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    with pytest.raises(DMLError, match="is no data set"):
        prepare(idx_files(str(idx_folder)), str(tmp_path / "precious"))
    assert os.listdir(tmp_path / "precious") == ["thesis.txt"]


def test_a_mount_point_is_refused_before_the_work(idx_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("os.path.ismount", lambda path: True)
    with pytest.raises(DMLError, match="is a mount point"):
        prepare(idx_files(str(idx_folder)), str(tmp_path / "set"))


def test_names_that_are_no_text(photos, tmp_path, capsys):
    import shutil

    try:
        shutil.copy(photos / "red" / "0.png", os.fsencode(photos / "red") + b"/\xff.png")
    except OSError:
        pytest.skip("this file system takes text only")
    with open(os.fsencode(photos / "red") + b"/\xfe.png", "wb"):
        pass
    arguments = ["--input_dir", str(photos), "--output_dir", str(tmp_path / "set"), "--size", "8"]
    assert commands.prepare_main([*arguments, "--validation", "0"]) == 0
    assert "21 train" in capsys.readouterr().out


def test_interrupted_by_the_user(photos, tmp_path, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    arguments = ["--input_dir", str(photos), "--output_dir", str(tmp_path / "set"), "--size", "8", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr("pydml.data.prepare._write_small_files", interrupt)
        assert commands.prepare_main(arguments) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (tmp_path / "set").exists() and (tmp_path / ".set.preparing").exists()
    assert commands.prepare_main(arguments) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos", "set"]


def test_the_disk_is_looked_at_first(idx_folder, tmp_path):
    with pytest.raises(DMLError, match=r"has 1\.0 MiB left, the data set needs 1\.0 MiB more"):
        prepare(idx_files(str(idx_folder)), str(tmp_path / "set"), free_bytes=lambda path: 1 << 20)
    assert not (tmp_path / "set").exists()


def test_two_processes_do_not_prepare_the_same(idx_folder, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with open(tmp_path / ".set.preparing.lock", "wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(DMLError, match="another process"):
            prepare(idx_files(str(idx_folder)), str(tmp_path / "set"))
    prepare(idx_files(str(idx_folder)), str(tmp_path / "set"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["idx", "set"]


# ---- once more


def test_results_do_not_depend_on_threads_and_are_made_once(photos, tmp_path):
    from pydml.backends.cpu.threads import limit

    with limit(1):
        first = made(photos, tmp_path / "one")
    second = made(photos, tmp_path / "two")
    assert first.sha256 == second.sha256 and not second.done_before
    assert made(photos, tmp_path / "two").done_before
    assert not made(photos, tmp_path / "two", seed=3).done_before  # replaces it
    assert verify(str(tmp_path / "two")).sha256 != first.sha256
    Image.new("RGB", (9, 9)).save(photos / "red" / "another.png")
    assert made(photos, tmp_path / "one").rows["train"] == first.rows["train"] + 1


def test_progress_tells_the_remaining_time():
    class Clock:
        now = 0.0

        def __call__(self):
            return self.now

    class Split:
        items = 1000

    class Source:
        splits = [Split]

    clock, out = Clock(), io.StringIO()
    report = Report(out, Source, clock)
    report.add(400, 0, before=True)
    clock.now = 20.0
    report.add(100, 3)
    assert out.getvalue() == "500 of 1000 images (50%), 5/s, 1 min 40 s left, 400 were there before, 3 skipped\n"


# ---- verify


def test_a_good_data_set_is_described(photos, tmp_path, capsys):
    made(photos, tmp_path / "set", validation=0)
    assert commands.verify_main(["--data_dir", str(tmp_path / "set")]) == 0
    out = capsys.readouterr().out
    assert "train: 20 images of 3 x 8 x 8; 2 to 12 in a class, the largest is blue (60.0%)" in out
    assert "all files are as they were written" in out


@pytest.mark.parametrize("name", ["train/shard-00001.bin", "train/manifest.json", "train.labels", "classes.txt"])
def test_every_changed_byte_is_found(stored, name, capsys):
    file = stored[0] / name
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    assert commands.verify_main(["--data_dir", str(stored[0])]) == 1
    assert f"error[data-format]: {name}" in capsys.readouterr().err.replace(str(stored[0]) + "/", "")
    file.unlink()
    assert any(name in fault for fault in verify(str(stored[0])).faults)


def test_what_is_no_data_set(tmp_path):
    for text in ("there is no file", "is no data set"):
        with pytest.raises(DMLError, match=text):
            verify(str(tmp_path / "x"))
        (tmp_path / "x").mkdir(exist_ok=True)


def test_the_programs_run(idx_folder, photos, tmp_path):
    folder = os.path.join(os.path.dirname(pydml.__file__), "..")
    examples = os.path.join(folder, "scripts", "nn", "examples")

    def run(*command):
        result = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    out = str(tmp_path / "set")
    code, text = run(
        os.path.join(examples, "prepare_imagenet_for_systemds.py"), "--input_dir", str(photos), "--output_dir", out
    )
    assert code == 0 and "18 train, 2 val images of 3 x 224 x 224, 3 classes" in text
    assert run(os.path.join(examples, "verify_imagenet_data.py"), "--data_dir", out)[0] == 0
    code, text = run(
        "-m", "pydml", "data", "prepare", "idx", "--input_dir", str(idx_folder), "--output_dir", out, "--quiet"
    )
    assert code == 0 and "50 train, 20 val images of 1 x 4 x 5, 3 classes" in text
    assert run("-m", "pydml", "data", "prepare", "idx", "--input_dir", str(photos), "--output_dir", out)[0] == 1
    assert run("-m", "pydml", "data", "prepare", "idx")[0] == 2
