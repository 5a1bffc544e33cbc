"""The other side of the protocol `avbench-worker/1`: what a model's own environment needs to work for avbench.

One file, standard library only, Python 3.8 or newer; it imports nothing of avbench. A runner script is two functions:

    from avbench_worker import Item, main

    def load(options):                       # once; import torch and the model's code here, not above
        return Model(options["weights"])

    def generate(model, item, folder):       # per item; write files below `folder`
        frames = model(item.cond["first_frame"], seed=item.seed)
        return {"video": save(frames, folder + "/out.mp4"), "audio": None, "meta": {"nfe": 25}}

    if __name__ == "__main__":
        raise SystemExit(main(load, generate, card={"name": "my-model", "revision": "<commit>", "task": "I2V"}))

avbench starts the script and talks to it over standard input and output. Everything that the model prints goes to standard
error, which avbench keeps as a log. On a cluster, without avbench:

    python runner.py --requests requests.jsonl --out clips --resume

`baselines/README.md` has the messages, field by field.
"""

# ruff: noqa: PTH100, PTH103, PTH105, PTH113, PTH117, PTH118, PTH120, PTH122, PTH123, PTH202, PTH208, T201
from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback

PROTOCOL = 1
LONGEST_LINE = 1 << 20
"""Bytes of one message."""
_DONE = object()


class Item:
    """One clip that is asked for.

    Attributes:
        id: The item's name in the suite; any text.
        index: Number of the sample, 0 unless several of each item are made.
        name: A file name for this clip without suffix, safe on any system.
        seed: 0 to 2^31 - 1. Python's, NumPy's and torch's generators have it already when `generate` is called.
        cond: Conditions by name. Pictures (`first_frame`, `reference_image`, `last_frame`: PNG, RGB), `video` and `audio` are
            absolute paths; `text`, `video_caption`, `audio_caption`, `category` are text; `transcript` is a list of objects.
        target: What is wanted: `seconds`, `frame_rate`, `width`, `height`, `sample_rate`. A model that has its own
            size or rate keeps it.
    """

    def __init__(self, message, send=None):
        self.id = message["id"]
        self.index = int(message.get("index", 0))
        self.seed = int(message["seed"])
        self.cond = dict(message.get("cond", {}))
        self.target = dict(message.get("target", {}))
        self.request = message.get("request", "")
        self.name = message.get("name") or _safe(self.id, self.index)
        self._send = send

    def progress(self, fraction):
        """Say how far this item is, 0 to 1. Optional."""
        if self._send is not None:
            self._send({"type": "progress", "id": self.id, "index": self.index, "fraction": round(float(fraction), 4)})

    def __repr__(self):
        return f"Item(id={self.id!r}, index={self.index}, seed={self.seed}, cond={sorted(self.cond)!r})"


def main(load, generate, card=None, argv=None):
    """Answer avbench until it says `end`, or work through a file of requests.

    Args:
        load: `load(options)` returns the model; called once, before the first item.
        generate: `generate(model, item, folder)` returns a dict with `video` and `audio` (paths, or None for a stream that the
            model does not make), or `text` (a caption), and `meta` (numbers and text for the record; may be left out). An
            exception fails the item and no other.
        card: What the model says of itself; `name` and `revision` (of code and weights) at least.
        argv: Command line; None for the process's own.

    Returns:
        The exit code: 0, or 3 if the model could not be loaded.
    """
    arguments = _parser().parse_args(argv)
    card = dict(card or {})
    if arguments.requests:
        return _offline(load, generate, arguments)
    source, sink = _take_over()
    lock = threading.Lock()

    def send(message):
        line = (json.dumps(message, ensure_ascii=True) + "\n").encode("ascii")
        with lock:
            sink.write(line)
            sink.flush()

    send({"type": "hello", "protocol": PROTOCOL, "card": card, "capabilities": {"max_batch": 1}})
    messages = queue.Queue()
    threading.Thread(target=_listen, args=(source, messages), daemon=True).start()
    first = messages.get()
    if first is _DONE or first.get("type") == "end":
        send({"type": "bye"})
        return 0
    if first.get("type") != "configure":
        send({"type": "error", "error": "expected configure, got {!r}".format(first.get("type"))})
        return 3
    out = first["out"]
    try:
        model = load(dict(first.get("options", {})))
    except BaseException as error:  # noqa: BLE001 SystemExit of a model's own argument parser as well
        traceback.print_exc()
        send({"type": "error", "error": _line(error)})
        return 3
    send({"type": "ready"})
    while True:
        message = messages.get()
        if message is _DONE or message.get("type") == "end":
            send({"type": "bye"})
            return 0
        if message.get("type") == "item":
            send(_answer(generate, model, Item(message, send), out))


def _parser():
    parser = argparse.ArgumentParser(description="Makes clips for avbench, over pipes or from a file of requests.")
    parser.add_argument("--requests", help="a file written by `avbench export`; without it, messages come over standard input")
    parser.add_argument("--out", default="clips", help="folder of the clips (with --requests)")
    parser.add_argument("--resume", action="store_true", help="leave out what clips/results.jsonl has already")
    parser.add_argument("--shard", default="0/1", help="I/N: only every N-th request from the I-th on, for arrays of jobs")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="set an option of the model")
    return parser


def _take_over():
    """Standard input and output for messages alone.

    Third-party code prints freely, and its child processes read what they find: from here on they get standard error and
    nothing.
    """
    sys.stdout.flush()
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return source, sink


def _listen(source, messages):
    """Every message into the queue. If avbench goes away, so does this process, also amid an item."""
    ended = False
    for line in iter(lambda: source.readline(LONGEST_LINE + 2), b""):
        if not line.strip():
            continue
        message = json.loads(line.decode("utf-8"))
        messages.put(message)
        if message.get("type") == "end":
            ended = True
    messages.put(_DONE)
    if not ended and os.environ.get("AVBENCH_WORKER_GROUP") == "1":  # avbench gave this process a group of its own
        if hasattr(os, "killpg"):
            os.killpg(os.getpgid(0), signal.SIGKILL)  # this process and what it has started
        os._exit(4)


def _answer(generate, model, item, out):
    """One item to one result; whatever goes wrong is the item's."""
    result = {"type": "result", "id": item.id, "index": item.index, "request": item.request}
    begun = time.time()
    folder = None
    try:
        os.makedirs(out, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".making-", dir=out)
        _seed(item.seed)
        made = dict(generate(model, item, folder))
        meta = dict(made.get("meta") or {})
        meta.update({k: v for k, v in _measured(begun).items() if k not in meta})
        result.update({"status": "ok", "meta": meta})
        if not any(made.get(key) for key in ("video", "audio", "text")):
            raise ValueError(f"generate returned neither video nor audio nor text: {made!r}")
        if made.get("text"):
            result["text"] = str(made["text"])
        for stream in ("audio", "video"):  # sound first: a picture is never seen without it
            if made.get(stream):
                result[stream] = _place(str(made[stream]), folder, out, item.name)
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        result = {k: result[k] for k in ("type", "id", "index", "request")}
        result.update({"status": "failed", "error": _line(error)})
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return result


def _place(path, folder, out, name):
    """A finished file under its last name: written as `.part`, then renamed."""
    if not os.path.isabs(path):
        path = os.path.join(folder, path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"generate returned {path}, which is not there")
    target = os.path.join(os.path.abspath(out), name + os.path.splitext(path)[1].lower())
    partial = target + ".part"
    inside = os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)
    (os.replace if inside else shutil.copyfile)(path, partial)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, target)
    return target


def _seed(seed):
    """Every generator of random numbers that is loaded."""
    random.seed(seed)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if hasattr(numpy, "random"):
        numpy.random.seed(seed)
    if hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()


def _measured(begun):
    found = {"seconds": round(time.time() - begun, 3), "python": sys.version.split()[0]}
    torch = sys.modules.get("torch")
    if hasattr(torch, "cuda") and torch.cuda.is_available():
        found.update({"peak_gpu_bytes": torch.cuda.max_memory_allocated(), "device": torch.cuda.get_device_name()})
    return found


def _line(error):
    return "{}: {}".format(type(error).__name__, " ".join(str(error).split())[:2000])


def _safe(id, index):
    """A file name for an id; ids that differ have names that differ."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", id)[:80].lstrip(".-")
    digest = "" if plain == id else "~" + hashlib.sha256(id.encode("utf-8")).hexdigest()[:16]
    return f"{plain}{digest}_{index}"


# ------------------------------------------------------------------ without avbench


def _offline(load, generate, arguments):
    """Work through a file of requests; `results.jsonl` in the folder of clips is the record, and what --resume reads."""
    out = os.path.abspath(arguments.out)
    os.makedirs(out, exist_ok=True)
    base = os.path.dirname(os.path.abspath(arguments.requests))
    options, items = {}, []
    with open(arguments.requests, encoding="utf-8") as file:
        for line in file:
            message = json.loads(line) if line.strip() else {}
            if message.get("type") == "configure":
                options = dict(message.get("options", {}))
            elif message.get("type") == "item":
                # Files lie beside the requests, so that the folder can be copied to another machine.
                message["cond"] = {
                    k: os.path.join(base, v) if k in message.get("files", ()) else v for k, v in message["cond"].items()
                }
                items.append(Item(message))
    for pair in arguments.option:
        key, _, text = pair.partition("=")
        try:
            options[key] = json.loads(text)
        except ValueError:
            options[key] = text
    first, step = (int(part) for part in arguments.shard.split("/"))
    record = os.path.join(out, "results.jsonl" if step == 1 else f"results-{first}-of-{step}.jsonl")
    there = _recorded(out) if arguments.resume else set()
    todo = [item for item in items[first::step] if (item.id, item.index, item.request) not in there]
    print(f"{len(todo)} of {len(items[first::step])} requests to do", file=sys.stderr)
    if not todo:
        return 0
    model = load(options)
    failed = 0
    for number, item in enumerate(todo, 1):
        result = _answer(generate, model, item, out)
        for stream in ("audio", "video"):
            if stream in result:
                result[stream] = os.path.relpath(result[stream], out)
                result.setdefault("bytes", {})[stream] = os.path.getsize(os.path.join(out, result[stream]))
        _append(record, result)
        failed += result["status"] != "ok"
        print("{}/{} {}: {}".format(number, len(todo), item.id, result.get("error", "ok")), file=sys.stderr)
    return 1 if failed else 0


def _append(path, result):
    """One line, on the disk before the next item begins; a line that a kill has cut off stays a line of its own."""
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write((json.dumps(result, ensure_ascii=True) + "\n").encode("ascii"))
        file.flush()
        os.fsync(file.fileno())


def _recorded(out):
    """What is made: requests whose last result is good and whose files still have their size."""
    found = {}
    for name in sorted(os.listdir(out)):
        if not (name.startswith("results") and name.endswith(".jsonl")):
            continue
        with open(os.path.join(out, name), encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    result = json.loads(line)
                    found[(result["id"], result["index"], result.get("request", ""))] = result
                except (ValueError, KeyError, TypeError):
                    continue
    return {key for key, result in found.items() if result.get("status") == "ok" and _whole(out, result)}


def _whole(out, result):
    return all(
        os.path.isfile(os.path.join(out, result[stream])) and os.path.getsize(os.path.join(out, result[stream])) == size
        for stream, size in result.get("bytes", {}).items()
    )
