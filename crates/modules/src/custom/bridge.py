"""Runs Python modules and templates of the roots for a minion, with the names that Salt gives them.

Both sides say JSON objects, one in each line. The minion asks; until it has its answer it serves what the module asks back.
`docs/custom-modules.md` has the protocol. `pipe` is where the minion is heard; whoever runs this text has set it.
"""

import builtins
import collections.abc
import functools
import importlib.util
import inspect
import json
import logging
import math
import os
import sys
import threading
import traceback
import types


class Minion:
    """The other side."""

    def __init__(self, reader):
        self.reader = reader
        self.writer = os.fdopen(os.dup(1), "wb")
        self.lock = threading.RLock()
        # What modules and their programs print is no part of the talk, and there is nothing for them to read.
        os.dup2(2, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    def say(self, message):
        with self.lock:
            self.writer.write(json.dumps(message).encode() + b"\n")
            self.writer.flush()

    def hear(self):
        line = self.reader.readline()
        if not line:
            os._exit(0)
        return json.loads(line.decode())

    def ask(self, message):
        with self.lock:
            self.say(message)
            answer = self.hear()
        if "error" in answer:
            raise exception(answer.get("kind"), answer["error"])
        return answer.get("return")


class CommandExecutionError(Exception):
    """As in salt.exceptions, where that is not loaded."""


class CommandNotFoundError(CommandExecutionError):
    """As in salt.exceptions, where that is not loaded."""


class SaltInvocationError(Exception):
    """As in salt.exceptions, where that is not loaded."""


OWN_EXCEPTIONS = ("CommandExecutionError", "CommandNotFoundError", "SaltInvocationError")


def exception(kind, text):
    """What a failure of the minion is here."""
    salt = sys.modules.get("salt.exceptions")
    own = globals().get(kind) if kind in OWN_EXCEPTIONS else None
    found = getattr(salt, kind or "", None) or own or getattr(builtins, kind or "", None)
    if not (inspect.isclass(found) and issubclass(found, Exception)):
        found = getattr(salt, "CommandExecutionError", CommandExecutionError)
    return found(text)


def plain(value):
    """A value as JSON has it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, collections.abc.Mapping):
        return {plain_key(key): plain(value[key]) for key in value}
    if isinstance(value, (collections.abc.Iterable)):
        return [plain(item) for item in value]
    return str(value)


def plain_key(key):
    if key is None or isinstance(key, bool):
        return json.dumps(key)
    return plain(key if isinstance(key, (str, bytes)) else str(key))


class Functions(collections.abc.Mapping):
    """Functions by name: those of custom modules are here, all others at the minion."""

    def __init__(self, kind, verb):
        self.kind = kind
        self.verb = verb
        self.known = {}

    def __getitem__(self, name):
        found = LOADER.function(self.kind, name)
        if found is not None:
            return found
        if name not in self.known:
            self.known[name] = self.verb is not None and MINION.ask({"has": name, "kind": self.kind})
        if not self.known[name]:
            raise KeyError(name)

        def call(*args, **kwargs):
            test = bool(OPTS.get("test"))
            return MINION.ask({self.verb: name, "args": plain(args), "kwargs": plain(kwargs), "test": test})

        call.__name__ = call.__qualname__ = str(name)
        return call

    def __iter__(self):
        names = set(LOADER.names(self.kind))
        if self.verb is not None:
            names.update(MINION.ask({"names": self.kind}))
        return iter(sorted(names))

    def __len__(self):
        return len(list(iter(self)))

    def __getattr__(self, module):
        if module.startswith("__"):
            raise AttributeError(module)
        return Namespace(self, module)


class Namespace:
    """`__salt__.test` of `__salt__.test.ping()`."""

    def __init__(self, functions, module):
        self.functions = functions
        self.module = module

    def __getattr__(self, function):
        try:
            return self.functions["{}.{}".format(self.module, function)]
        except KeyError as error:
            raise AttributeError(str(error))


class Loaded:
    """A file of custom functions."""

    def __init__(self, names=(), functions=(), error=None, module=None):
        self.names = list(names)
        self.functions = dict(functions)
        self.error = error
        self.module = module


class Loader:
    """The files of custom modules."""

    TAGS = {"modules": "module", "states": "states", "grains": "grains", "utils": "utils"}

    def __init__(self):
        self.files = {}
        self.index = None
        self.loaded = {}

    def set(self, files, index):
        self.files = {(file["kind"], file["name"]): file["path"] for file in files}
        self.index = index

    def function(self, kind, name):
        """None when no custom module has it."""
        module, _, function = str(name).partition(".")
        if self.index is not None:
            file = self.index.get(kind, {}).get(name)
        else:
            file = module if (kind, module) in self.files else None
        if file is None:
            return None
        loaded = self.load(kind, file)
        if loaded.error is not None and self.index is not None:
            raise CommandExecutionError(loaded.error)
        return loaded.functions.get(function) if module in loaded.names else None

    def names(self, kind):
        if self.index is not None:
            return list(self.index.get(kind, {}))
        found = []
        for of_kind, file in list(self.files):
            if of_kind == kind:
                loaded = self.load(kind, file)
                found += [name + "." + function for name in loaded.names for function in loaded.functions]
        return found

    def load(self, kind, file):
        key = (kind, file)
        if key not in self.loaded:
            # Whoever asks for it while it loads finds it empty.
            self.loaded[key] = Loaded()
            try:
                self.loaded[key] = self._load(kind, file)
            except ModuleNotFoundError as error:
                text = "{}: {}".format(type(error).__name__, error)
                if (error.name or "").split(".")[0] == "salt":
                    text = (
                        "'{}' needs Salt's library, which {} does not have: "
                        "install Salt there, or set python_executable to a Python that has it"
                    ).format(importing_line(error, self.files[key]), sys.executable)
                self.loaded[key] = Loaded(error=text)
            except (Exception, SystemExit) as error:
                self.loaded[key] = Loaded(error="{}: {}".format(type(error).__name__, error))
        return self.loaded[key]

    def _load(self, kind, file):
        path = self.files[(kind, file)]
        name = "salt.loaded.ext.{}.{}".format(self.TAGS[kind], file)
        module = make(name, path)
        surround(module, kind)
        sys.modules[name] = module
        module.__spec__.loader.exec_module(module)
        # What the file itself sets to please an editor does not count.
        surround(module, kind)
        if inspect.isfunction(getattr(module, "__init__", None)):
            module.__init__(OPTS)
        names, error = virtual(module, file)
        return Loaded(names, functions(module, name), error, module)


def importing_line(error, path):
    """The line of a file that could not import something."""
    lines = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    return lines[-1] if lines else "import {}".format(error.name)


def make(name, path):
    folder = os.path.dirname(path)
    locations = [folder] if os.path.basename(path) == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=locations)
    return importlib.util.module_from_spec(spec)


def surround(module, kind):
    module.__opts__ = OPTS
    module.__grains__ = GRAINS
    module.__pillar__ = PILLAR
    module.__context__ = CONTEXT
    module.__salt__ = SALT
    module.__utils__ = UTILS
    module.__proxy__ = {}
    if kind == "states":
        module.__states__ = STATES
        module.__env__ = "base"
        module.__low__ = {}


def virtual(module, file):
    """The names under which a module is known, and why it is not available."""
    if not inspect.isfunction(getattr(module, "__virtual__", None)):
        return [file], None
    said = module.__virtual__()
    reason = None
    if isinstance(said, tuple):
        said, reason = said[0], said[1] if len(said) > 1 else None
    own = getattr(module, "__virtualname__", said)
    name = own if isinstance(own, str) else file
    if not said:
        text = "'{}' __virtual__ returned False".format(name)
        return [name], text if reason is None else "{}: {}".format(text, reason)
    aliases = getattr(module, "__virtual_aliases__", ())
    aliases = [aliases] if isinstance(aliases, str) else list(aliases)
    return [name] + aliases, None


def functions(module, name):
    listed = getattr(module, "__load__", None) or getattr(module, "__all__", None) or dir(module)
    aliases = getattr(module, "__func_alias__", {})
    found = {}
    for attribute in listed:
        value = getattr(module, attribute, None)
        if attribute.startswith("_") or not (inspect.isfunction(value) or isinstance(value, functools.partial)):
            continue
        # What the module imports from elsewhere is not its own.
        if inspect.isfunction(value) and not value.__module__.startswith("salt.loaded"):
            continue
        found[aliases.get(attribute, attribute)] = value
    return found


def signature(function):
    """As sys.argspec has it."""
    args, defaults, varargs, kwargs = [], [], None, None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            varargs = True
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs = True
        else:
            args.append(parameter.name)
            if parameter.default is not parameter.empty:
                defaults.append(plain(parameter.default))
            elif defaults:
                # A keyword of its own without a default, behind others: who calls without it hears of it from Python.
                defaults.append(None)
    return {"args": args, "defaults": defaults, "varargs": varargs, "kwargs": kwargs}


def describe():
    described = []
    for kind, file in sorted(LOADER.files):
        loaded = LOADER.load(kind, file)
        entry = {"kind": kind, "file": file, "names": loaded.names, "functions": {}}
        if loaded.error is not None:
            entry["error"] = str(loaded.error)
        else:
            for name, function in loaded.functions.items():
                entry["functions"][name] = dict(signature(function), doc=inspect.getdoc(function) or "")
        described.append(entry)
    return described


def call(request):
    kind, name = request["kind"], request["call"]
    function = LOADER.function(kind, name)
    if function is None:
        raise KeyError(name)
    kwargs = request.get("kwargs", {})
    if kind == "states":
        module = LOADER.load(kind, LOADER.index[kind][name]).module
        module.__env__ = request.get("saltenv", "base")
        module.__low__ = request.get("low", {})
    if kind == "grains":
        wanted = inspect.signature(function).parameters
        kwargs = {name: value for name, value in (("grains", GRAINS), ("proxy", None)) if name in wanted}
    return function(*request.get("args", []), **kwargs)


def render(request):
    """What `run()` of a template gives."""
    path = request["path"]
    name = os.path.basename(path).split(".")[0]
    module = types.ModuleType(name)
    module.__file__ = path
    names = dict(request["names"])
    own = {"salt": SALT, "grains": GRAINS, "pillar": PILLAR, "opts": OPTS}
    names.update(own)
    names.update(("__{}__".format(key), value) for key, value in own.items())
    names["__env__"] = names.get("saltenv")
    if "sls" in names:
        names["__sls__"] = names["sls"]
    module.__dict__.update(names)
    sys.modules[name] = module
    exec(compile(request["render"], path, "exec"), module.__dict__)
    module.__dict__.update(names)
    run = getattr(module, "run", None)
    if run is None:
        raise CommandExecutionError("it has no function run()")
    return run()


class Handler(logging.Handler):
    """Hands what modules log to the minion's log."""

    def emit(self, record):
        try:
            MINION.say({"log": record.levelname.lower(), "text": plain(self.format(record))})
        except Exception:
            self.handleError(record)


def replace(known, said):
    known.clear()
    known.update(said)


def answer(request):
    if "files" in request:
        LOADER.set(request["files"], request.get("index"))
    for name, known in (("opts", OPTS), ("grains", GRAINS), ("pillar", PILLAR)):
        if name in request:
            replace(known, request[name])
    OPTS["grains"], OPTS["pillar"], OPTS["test"] = GRAINS, PILLAR, bool(request.get("test"))
    CONTEXT.pop("retcode", None)
    try:
        if "describe" in request:
            value = describe()
        elif "render" in request:
            value = render(request)
        else:
            value = call(request)
        answer = {"return": plain(value)}
        if isinstance(CONTEXT.get("retcode"), int):
            answer["retcode"] = int(CONTEXT["retcode"])
        return answer
    except (Exception, SystemExit) as error:
        answer = {"error": plain(str(error)), "kind": type(error).__name__}
        trace = own_traceback()
        if trace is not None:
            answer["traceback"] = plain(trace)
        return answer


def own_traceback():
    """The lines of the module at fault, without those of this text; None when it is at fault itself."""
    kind, error, trace = sys.exc_info()
    while trace is not None and trace.tb_frame.f_code.co_filename == "<bridge>":
        trace = trace.tb_next
    if trace is None and not isinstance(error, SyntaxError):
        return None
    return "".join(traceback.format_exception(kind, error, trace))


MINION = Minion(pipe)  # noqa: F821
LOADER = Loader()
OPTS, GRAINS, PILLAR, CONTEXT = {}, {}, {}, {}
SALT = Functions("modules", "call")
STATES = Functions("states", "state")
UTILS = Functions("utils", None)

# Files of modules change without their times.
sys.dont_write_bytecode = True
# Levels of Salt's own loggers.
for level, level_name in ((5, "TRACE"), (1, "GARBAGE")):
    logging.addLevelName(level, level_name)
logging.Logger.trace = lambda self, text, *args, **kwargs: self.log(5, text, *args, **kwargs)
logging.Logger.garbage = lambda self, text, *args, **kwargs: self.log(1, text, *args, **kwargs)
logging.root.addHandler(Handler())
logging.root.setLevel(logging.INFO)

while True:
    MINION.say(answer(MINION.hear()))
