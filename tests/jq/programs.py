"""jq programs from a grammar, the same ones every time for a seed, as trees that can be made smaller.

    program = Program(seed)          or Program(seed, depth) for larger or smaller ones
    program.text                     what a person might have written
    program.smaller()                each program that is a little smaller
    RUNS                             the states to begin with, each with the events to fold

The programs are those of reducers: mostly the state goes in and a changed state comes out, with kinds that mostly fit, for where
all is an error little is compared. A part of them is wild, and a part of the errors is meant.
"""

import json
import random
import re

STATES = [
    "null",
    '{"a":1,"b":[1,2,3],"c":{"d":{}},"n":7,"s":"text","l":[],"m":{"x":1,"y":2},"o":[{"id":"k","v":1},{"id":"j","v":2}]}',
    '{"n":0,"a":null,"l":[3,1,2],"m":{},"s":"a,b,c","b":[],"o":[],"z":false,"k":"2015-03-05T23:51:47Z"}',
    "[1,2,3]",
    '{"m":{"t":{"n":3,"l":[1]},"u":{"n":-1.5,"l":["x",null,{"a":[]}]}},"l":[[1,2],[3]],"s":"Übergröße","a":2.5}',
]
EVENTS = [
    '{"type":"t","data":{"id":"k","n":3,"tags":["x","y"]},"ts":1700000000}',
    '{"type":"u","data":null,"ts":1425599621,"id":"e1","actor":"ann"}',
    '{"type":"t","data":{"id":"j","n":-2.5,"text":"A, b"},"ts":0,"meta":{"v":2}}',
    '{"type":"x","data":[1,"two",{"n":3}],"ts":1700000001,"actor":null,"other":[1]}',
]
RUNS = [(state, EVENTS) for state in STATES]

NUMBERS = ["0", "1", "2", "3", "-1", "10", "0.5", "1e3", "1.5e300", ".25", "100", "3."]
STRINGS = ['""', '"a"', '"x"', '"b"', '"text"', '"a,b"', '"\\u00fc\\n"', '"k"', '"2015-03-05T23:51:47Z"', '"12"', '"[1,2]"', '"{\\"a\\":1}"', '"not json"', '"aXbxc"', '"YWJj"']
FIELDS = ["a", "n", "s", "b", "l", "m", "o", "c", "z", "k"]
OF_KIND = {"number": ["a", "n"], "string": ["s", "k"], "array": ["b", "l", "o"], "object": ["m", "c"]}
WORDS = ["and", "or", "not", "if", "then", "else", "end", "as", "def", "reduce", "foreach", "try", "catch", "label", "import", "include", "__loc__", "a", "n", "event"]
KEYWORD_KEYS = ["and", "or", "if", "then", "else", "end", "as", "def", "reduce", "foreach", "try", "catch", "label", "import", "include"]
VARIABLES = ["x", "y", "event", "d", "ENV", "a"]
REGEXES = ['"b"', '"[a-z]+"', '"(?<h>[a-z]).(?<t>.)?"', '"^$"', '""', '"(?=b)"', '"[a-z]*"', '"\\\\d"', '"("', '"x*"', '"(a)|(b)"',
           '"(?<x>é)|(?<y>[^a])"']


class Node:
    """A piece of program: text and pieces."""

    __slots__ = ("parts",)

    def __init__(self, *parts):
        self.parts = list(parts)

    def render(self, out):
        for part in self.parts:
            if isinstance(part, Node):
                part.render(out)
            else:
                out.append(part)

    def nodes(self):
        yield self
        for part in self.parts:
            if isinstance(part, Node):
                yield from part.nodes()

    def replaced(self, old, new):
        if self is old:
            return new
        return Node(*[p.replaced(old, new) if isinstance(p, Node) else p for p in self.parts])


class Raw(str):
    """Text whose blanks mean something."""


def tight(before, after):
    """May the blank between these two characters be left out?"""
    if before[-1] == "." or (before[-1] == "?" and after == "/") or before[-1] == "$":
        return False
    if re.search(r"[A-Za-z0-9_]$", before) and re.match(r"[A-Za-z0-9_]", after):
        return re.search(r"(?<![\w.$@])\d+$", before) is not None and not re.match(r"[0-9eE._]", after)
    if before[-1] in "<>=!+-*/%|?" and after in "<>=!+-*/%|?":
        return False
    return not (after == "." and re.search(r"[\d.]$", before))


def spaced(parts, rng, odd):
    """The parts as one text. Where there is a blank it may be something else as well."""
    out = ""
    for part in parts:
        if isinstance(part, Raw) or not odd:
            out += part
            continue
        for i, c in enumerate(part):
            if c != " ":
                out += c
                continue
            roll = rng.random()
            after = part[i + 1] if i + 1 < len(part) else "a"
            if roll < 0.25 and out and i + 1 < len(part) and tight(out, after):
                continue
            out += "\n" if 0.25 <= roll < 0.30 else " # it's \"(so\n" if 0.30 <= roll < 0.33 else "  " if roll > 0.97 else " "
    return out


class Program:
    def __init__(self, seed, depth=4):
        self.seed = seed
        rng = random.Random(seed)
        self.spacing = rng.random()
        self.tree = Grammar(rng).program(rng.choice([1, 2, 3, depth, depth]))

    def of(self, tree):
        other = Program.__new__(Program)
        other.seed, other.spacing, other.tree = self.seed, self.spacing, tree
        return other

    @property
    def text(self):
        parts = []
        self.tree.render(parts)
        return spaced(parts, random.Random(self.spacing), self.spacing < 0.4)

    def smaller(self):
        if self.spacing < 0.4:
            plain = self.of(self.tree)
            plain.spacing = 1.0
            yield plain
        for node in self.tree.nodes():
            inner = [part for part in node.parts if isinstance(part, Node)]
            for new in inner + [Node(text) for text in (".", "1", "empty")]:
                if not (not inner and len(node.parts) == 1 and len(node.parts[0]) <= 5):
                    yield self.of(self.tree.replaced(node, new))


class Function:
    def __init__(self, name, params, kind, path):
        self.name, self.params, self.kind, self.path = name, params, kind, path


class Grammar:
    """Each method makes a piece that can stand wherever a term can, unless it says that it is open."""

    def __init__(self, rng):
        self.rng = rng
        self.variables = []  # (name, kind)
        self.functions = []
        self.labels = []
        self.paths = 0  # > 0: what is made has to be a path, or may be asked to be one

    # What to choose.

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *choices):
        """Of pairs (weight, function)."""
        total = self.rng.random() * sum(weight for weight, _ in choices)
        for weight, make in choices:
            total -= weight
            if total < 0:
                return make()
        return choices[-1][1]()

    def name(self):
        return self.rng.choice(VARIABLES)

    def in_path(self, make, *args):
        self.paths += 1
        made = make(*args)
        self.paths -= 1
        return made

    def scoped(self, names, make, *args):
        n = len(self.variables)
        self.variables += names
        made = make(*args)
        del self.variables[n:]
        return made

    def some_of(self, *texts):
        """One of them, which is a whole filter."""
        return Node(Raw(self.rng.choice(texts)))

    # Programs.

    def program(self, d):
        if self.chance(0.06):
            return Node(self.definitions(d), self.any(d))
        if self.chance(0.05):
            return self.wild(d)
        parts = []
        if self.chance(0.25):
            parts.append(self.definitions(d))
        for _ in range(self.rng.choice([0, 0, 1])):
            parts += [self.binding(d), " | "]
        parts.append(self.piped(d))
        if self.chance(0.05):
            parts += [", ", self.state(d)]
        return Node(*parts)

    def piped(self, d):
        """Open: changes one after the other."""
        parts = [self.change(d)]
        while self.chance(0.4):
            parts += [" | ", self.change(d)]
        if self.chance(0.1):
            parts += [" | ", self.any(d - 1)]
        return Node(*parts)

    def binding(self, d):
        name, kind = self.name(), self.rng.choice(list(OF_KIND))
        made = Node(self.of_kind(kind, d - 1), " as ", Raw("$" + name))
        self.variables.append((name, kind))
        return made

    def definitions(self, d):
        made = []
        for _ in range(self.rng.choice([1, 1, 2])):
            made.append(self.definition(d))
        return Node(*made)

    def definition(self, d):
        name = self.rng.choice(["f", "g", "h", "map", "select", "first", "env", "debug", "now", "input"])
        params = self.rng.choice([[], [], ["p"], ["$p"], ["p", "$x"], ["$ENV"], ["p", "q"]])
        kind, path = self.rng.choice([("state", False), ("number", False), ("path", True), ("state", False)])
        n, labels, functions = len(self.variables), self.labels, len(self.functions)
        self.labels = []
        for p in params:
            if p[0] == "$":
                self.variables.append((p[1:], "number"))
            self.functions.append(Function(p.lstrip("$"), [], "number" if p[0] == "$" else kind, path and p[0] != "$"))
        if self.chance(0.1):
            self.functions.append(Function("inner", [], "number", False))
            inner = Node("def inner: ", self.number(d - 2), "; ")
        else:
            inner = Node("")
        self.paths += path
        body = self.of_kind(kind, d - 1)
        self.paths -= path
        del self.variables[n:]
        del self.functions[functions:]
        self.labels = labels
        self.functions.append(Function(name, params, kind, path))
        return Node("def ", Raw(name + ("(" + "; ".join(params) + ")" if params else "")), ": ", inner, body, "; ")

    def call(self, f, d):
        if not f.params:
            return Node(Raw(f.name))
        parts = [Raw(f.name + "(")]
        for i, p in enumerate(f.params):
            if i:
                parts.append("; ")
            self.paths += f.path and p[0] != "$"
            parts.append(self.of_kind("number" if p[0] == "$" else f.kind, d - 1))
            self.paths -= f.path and p[0] != "$"
        return Node(*parts, Raw(")"))

    def a_call(self, kind, d):
        fitting = [f for f in self.functions if f.kind == kind and (f.path or self.paths == 0)]
        return self.call(self.rng.choice(fitting), d) if fitting else None

    def of_kind(self, kind, d):
        make = {"number": self.number, "string": self.string, "array": self.array, "object": self.object, "bool": self.bool,
                "state": self.change, "path": self.path, "any": self.any}[kind]
        return make(d)

    # From the state to the state.

    def state(self, d):
        return Node(Raw("("), self.piped(d), Raw(")"))

    def change(self, d):
        """Open, but for pipes and commas: not to the left of an operator."""
        if d <= 0:
            return self.pick((3, lambda: Node(".")), (4, lambda: self.update(0)), (1, lambda: self.call_or_dot(0)))
        return self.pick(
            (30, lambda: self.update(d)),
            (8, lambda: self.choose(self.bool, self.piped, d)),
            (5, lambda: self.loop(d)),
            (4, lambda: self.each(d)),
            (5, lambda: Node(". // ", Raw("{}"))),
            (4, lambda: Node(". + ", self.object(d - 1))),
            (2, lambda: Node(". * ", self.object(d - 1))),
            (4, lambda: Node(Raw("del("), self.in_path(self.path, d - 1), Raw(")"))),
            (3, lambda: Node(Raw("select("), self.bool(d - 1), Raw(")"))),
            (3, lambda: self.labelled(d)),
            (4, lambda: self.tried(self.piped, d)),
            (3, lambda: Node(self.state(d - 1), Raw("?"))),
            (3, lambda: Node(Node(self.state(d - 1), " // ", self.state(d - 1)))),
            (2, lambda: Node(Raw("first("), self.several(d - 1), Raw(")"))),
            (2, lambda: Node(Raw("limit("), self.number(0), "; ", self.several(d - 1), Raw(")"))),
            (2, lambda: Node(Raw("("), self.several(d - 1), Raw(")"))),
            (3, lambda: self.destructured(d)),
            (3, lambda: Node(Raw("with_entries("), self.entry(d - 1), Raw(")"))),
            (2, lambda: Node(Raw("map_values("), self.any(d - 1), Raw(")"))),
            (2, lambda: self.walked(d)),
            (2, lambda: Node(Raw("setpath("), self.a_path(d - 1), "; ", self.any(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("delpaths("), self.some_paths(d - 1), Raw(")"))),
            (1, lambda: self.lasting(d)),
            (1, lambda: Node("empty")),
            (1, lambda: self.failure(d)),
            (2, lambda: Node(". as ", Raw("$old"), " | ", self.scoped([("old", "object")], self.change, d - 1), " | ", self.change(d - 1))),
            (2, lambda: self.kept(d)),
            (4 if not self.functions else 25, lambda: self.call_or_dot(d)),
            (2, lambda: self.with_function(d)),
        )

    def with_function(self, d):
        n = len(self.functions)
        made = Node(self.definition(d - 1), self.change(d - 1))
        del self.functions[n:]
        return made

    def call_or_dot(self, d):
        return self.a_call("state", d) or Node(".")

    def kept(self, d):
        return Node(Raw("{a,n,b,m,l,s,o,"), self.rng.choice(KEYWORD_KEYS), ": ", self.any(0), Raw("}"))

    def update(self, d):
        operator = self.rng.choice(["=", "=", "|=", "|=", "|=", "+=", "+=", "-=", "*=", "/=", "%=", "//="])
        path = self.in_path(self.path, d - 1 if self.chance(0.5) else 0)
        if operator == "|=":
            value = self.pick(
                (5, lambda: self.kindless(d - 1)),
                (2, lambda: Node(". + ", self.number(0))),
                (1, lambda: Node("empty")),
                (1, lambda: Node(Raw("("), self.any(d - 1), ", ", self.any(d - 1), Raw(")"))),
                (1, lambda: self.tried(self.any, d - 1)),
                (1, lambda: Node(Raw("("), self.change(d - 1), Raw(")"))),
                (1, lambda: Node(Raw("(.[]? |= "), self.any(d - 1), Raw(")"))),
                (1, lambda: Node(Raw("map("), self.any(d - 1), Raw(")"))),
            )
        elif operator in ("+=", "=", "//="):
            value = self.any(d - 1)
        else:
            value = self.number(d - 1)
        return Node(path, f" {operator} ", value)

    def kindless(self, d):
        return self.any(d) if self.chance(0.5) else self.number(d)

    def choose(self, condition, make, d):
        """if … end, of what `make` makes."""
        parts = ["if ", condition(d - 1), " then ", make(d - 1)]
        while self.chance(0.2):
            parts += [" elif ", condition(d - 1), " then ", make(d - 1)]
        if self.chance(0.99):
            parts += [" else ", make(d - 1)]
        return Node(*parts, " end")

    def source(self, d):
        """A term with several outputs, of a kind."""
        return self.pick(
            (4, lambda: (Node(Raw("range("), self.rng.choice(["3", "0", "1; 4", "0; 10; 3", "1, 2; 3"]), Raw(")")), "number")),
            (3, lambda: (Node(Raw("("), self.number(d - 1), ", ", self.number(d - 1), Raw(")")), "number")),
            (2, lambda: (Node(Raw("("), self.some_of(".l[]?"), Raw(")")), "number")),
            (2, lambda: (Node(Raw("("), self.some_of("$event.data.tags[]?"), Raw(")")), "string")),
            (2, lambda: (Node(Raw("("), self.array(d - 1), " | ", Raw(".[]"), Raw(")")), "number")),
            (1, lambda: (Node(Raw("("), self.object(d - 1), " | ", Raw("keys[]"), Raw(")")), "string")),
            (1, lambda: (Node(Raw("empty")), "number")),
            (1, lambda: (Node(Raw("(1, "), self.failure(0), Raw(")")), "number")),
        )

    def loop(self, d):
        source, kind = self.source(d)
        if self.chance(0.15):
            pattern, names = self.pattern(1)
        else:
            name = self.name()
            pattern, names = Node(Raw("$" + name)), [(name, kind)]
        body = self.pick((6, lambda: self.scoped(names, self.piped, d - 1)),
                         (1, lambda: Node("empty")),
                         (1, lambda: self.scoped(names, self.several, d - 1)))
        return Node("reduce ", source, " as ", pattern, " ", Raw("("), ". ", Raw("; "), body, Raw(")"))

    def each(self, d):
        source, kind = self.source(d)
        name = self.name()
        parts = ["foreach ", source, " as ", Raw("$" + name), " ", Raw("(. ; "), self.scoped([(name, kind)], self.piped, d - 1)]
        if self.chance(0.5):
            parts += ["; ", self.scoped([(name, kind)], self.change, d - 1)]
        made = Node(*parts, Raw(")"))
        return self.pick((2, lambda: made), (1, lambda: Node(Raw("last("), made, Raw(")"))),
                         (1, lambda: Node(Raw("limit(2; "), made, Raw(")"))), (1, lambda: Node(Raw("first("), made, Raw(")"))))

    def several(self, d):
        """Open."""
        return self.pick(
            (4, lambda: Node(self.change(d), ", ", self.change(d))),
            (1, lambda: Node(self.change(d), ", ", self.failure(0))),
            (1, lambda: Node(self.failure(0), ", ", self.change(d))),
            (1, lambda: Node("empty, ", self.change(d))),
            (1, lambda: Node(". , ", Raw("(.n += 1 | empty)"), ", ", self.change(d))),
            (1, lambda: self.change(d)),
        )

    def labelled(self, d):
        name = self.rng.choice(["out", "f", "g"])
        self.labels.append(name)
        made = self.pick(
            (2, lambda: Node(Raw("("), "label ", Raw("$" + name), " | ", self.piped(d - 1), " | ., break ", Raw("$" + name), Raw(")"))),
            (2, lambda: Node(Raw("("), "label ", Raw("$" + name), " | foreach ", self.source(d)[0], " as ", Raw("$x"), " (. ; ",
                             self.change(d - 1), "; if ", self.bool(d - 1), " then ., break ", Raw("$" + name), " else . end)", Raw(")"))),
            (1, lambda: Node(Raw("("), "label ", Raw("$" + name), " | ", self.piped(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("("), "label ", Raw("$" + name), " | ", self.update(d - 1), " | break ", Raw("$" + name), Raw(")"))),
            (1, lambda: Node(Raw("("), "label ", Raw("$" + name), " | ", self.in_path(self.path, 0), " |= (., break ", Raw("$" + name), Raw("))"))),
            (1, lambda: Node(Raw("("), "label ", Raw("$" + name), " | ", Raw("0 | "), Node(Raw("recurse(. + 1)?")), " | if ", Raw(". > 3"),
                             " then ., break ", Raw("$" + name), " else empty end", Raw(")"))),
        )
        self.labels.pop()
        return made

    def tried(self, make, d):
        inner = self.pick((3, lambda: make(d - 1)), (1, lambda: Node(make(d - 1), " | ", self.failure(0))),
                          (1, lambda: Node(make(d - 1), ", ", self.failure(0))), (1, lambda: self.failure(d - 1)))
        if self.chance(0.3):
            return Node("try ", Raw("("), inner, Raw(")"))
        handler = self.pick((3, lambda: Node(".")), (2, lambda: self.any(d - 1)), (1, lambda: Node("empty")),
                            (1, lambda: Node(Raw("{e: .}"))), (1, lambda: self.failure(0)))
        return Node("try ", Raw("("), inner, Raw(")"), " catch ", Raw("("), handler, Raw(")"))

    def failure(self, d):
        return self.rng.choice([
            Node(Raw('error("boom")')), Node(Raw("error(null)")), Node(Raw("error({a: 1})")), Node(Raw("error")),
            Node(Raw('("x" | error)')), Node(Raw('(1 + {})')), Node(Raw("({} - 1)")), Node(Raw("(1 | keys)")), Node(Raw(".a.b.c.d")),
            Node(Raw("([1] | implode)")), Node(Raw('("x" | tonumber)')), Node(Raw("(1 / 0)")), Node(Raw("(1 % 0)")), Node(Raw("error($event)")),
            Node(Raw("($event | keys - 1)")), Node(Raw("($event + 1)")), Node(Raw("($event.data | .[0] + .n)")), Node(Raw('(null | implode)')),
        ])

    def destructured(self, d):
        pattern, names = self.pattern(d)
        value = self.any(d - 1)
        if self.chance(0.3):
            other, more = self.pattern(d)
            return Node(value, " as ", pattern, " ?// ", other, " | ", self.scoped(names + more, self.change, d - 1))
        return Node(value, " as ", pattern, " | ", self.scoped(names, self.change, d - 1))

    def pattern(self, d):
        kind = self.rng.choice(["number", "string", "array", "object"])
        roll = self.rng.random()
        name = self.name()
        if d <= 0 or roll < 0.3:
            return Node(Raw("$" + name)), [(name, kind)]
        if roll < 0.6:
            inner, names = self.pattern(d - 1)
            return Node(Raw("["), inner, ", ", Raw("$" + name), Raw("]")), names + [(name, kind)]
        inner, names = self.pattern(d - 1)
        key = self.rng.choice(["a", "n", "id", '"s"', '("a", "b")', "$" + name, "if"])
        if key == "$" + name:
            return Node(Raw("{"), Raw("$" + name), Raw("}")), [(name, kind)]
        return Node(Raw("{"), Raw(key), ": ", inner, Raw("}")), names

    def entry(self, d):
        return self.pick(
            (2, lambda: Node(Raw("select("), Raw(".value"), " | ", self.bool(d - 1), Raw(")"))),
            (2, lambda: Node(Raw(".value |= "), self.any(d - 1))),
            (1, lambda: Node(Raw('.key += "x"'))),
            (1, lambda: Node(Raw("{key: (.key | tostring | ascii_upcase), value: .value}"))),
            (1, lambda: Node(Raw("select(.key != "), self.string(0), Raw(")"))),
            (1, lambda: Node("., empty")),
        )

    def walked(self, d):
        return self.pick(
            (3, lambda: Node(Raw("walk(if type == "), self.rng.choice(['"number"', '"object"', '"array"', '"string"']), " then ", self.any(d - 1),
                             " else . end", Raw(")"))),
            (1, lambda: Node(Raw("walk(if type == \"number\" then empty else . end)"))),
            (1, lambda: Node(Raw("walk("), self.any(d - 1), Raw(")"))),
        )

    def lasting(self, d):
        return self.rng.choice([
            Node(Raw("(.n |= "), Node(Raw("(tonumber? // 0)")), Raw(" | until(.n > 4; .n += 2))")),
            Node(Raw("[limit(3; repeat(. * 2))]")),
            Node(Raw("last(.n |= 0 | while(.n < 3; .n += 1))")),
            Node(Raw("nth(2; .n = 0 | recurse(if .n < 4 then .n += 1 else empty end))")),
            Node(Raw("first(.n = 0 | recurse(.n += 1; .n < 9) | select(.n > 2))")),
            Node(Raw("reduce limit(3; repeat(1)) as $x (.; .n += $x)")),
        ])

    def wild(self, d):
        """Tokens in any order: most of it does not compile."""
        words = ["if", "then", "else", "end", ".", ".a", "|", ",", "(", ")", "[", "]", "1", "as", "$x", "reduce", "try", "//", "?", "=", "|=", ":", ";", '"a"', "-", "not", "def", "f", "..",
                 "{", "}", "label", "break", "$event", "and", "$__loc__", "@base64", "if . then 1 end", "empty", "%", "foreach", "error"]
        return Node(Raw(" ".join(self.rng.choice(words) for _ in range(self.rng.randrange(1, 9)))))

    # Paths.

    def path(self, d):
        """A term, with the state as its input."""
        simple = self.pick(
            (8, lambda: Node(Raw("." + self.rng.choice(FIELDS)))),
            (4, lambda: Node(Raw("."), Raw("["), self.string(d - 1), Raw("]"))),
            (3, lambda: Node(Raw(".[$event.type]"))),
            (2, lambda: Node(Raw(".m["), Node(Raw("$event.data.id? // \"none\"")), Raw("]"))),
            (2, lambda: Node(Raw(".m[$event.type].n"))),
            (2, lambda: Node(Raw(".c.d.e"))),
            (1, lambda: Node(Raw('."a"'))),
            (1, lambda: Node(Raw('."\\("a")"'))),
            (1, lambda: Node(Raw("." + self.rng.choice(WORDS)))),
            (1, lambda: Node(Raw("."))),
        )
        if d <= 0:
            return simple
        return self.pick(
            (8, lambda: simple),
            (4, lambda: Node(Raw("." + self.rng.choice(["b", "l", "o"]) + "["), self.number(d - 1), Raw("]"))),
            (3, lambda: Node(Raw("." + self.rng.choice(["b", "l", "o", "m"]) + "[]"))),
            (2, lambda: Node(Raw("." + self.rng.choice(["b", "l", "s"]) + "["), *self.slice(), Raw("]"))),
            (2, lambda: Node(Raw(".o[].v"))),
            (2, lambda: Node(Raw("(.l[]? | select("), self.bool(d - 1), Raw("))"))),
            (2, lambda: Node(Raw("("), self.path(d - 1), ", ", self.path(d - 1), Raw(")"))),
            (2, lambda: Node(Raw("("), self.path(d - 1), " | ", self.path(d - 1), Raw(")"))),
            (2, lambda: Node(Raw("("), self.path(d - 1), " // ", self.path(d - 1), Raw(")"))),
            (2, lambda: Node(Raw("("), self.path(d - 1), Raw("?)"))),
            (1, lambda: Node(Raw("("), self.path(d - 1), Raw(" | "), Raw(".."), Raw(")"))),
            (1, lambda: Node(Raw("(.. | numbers)"))),
            (1, lambda: Node(Raw(".."))),
            (1, lambda: Node(Raw("getpath("), self.a_path(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("first("), self.path(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("last("), self.path(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("limit(1; "), self.path(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("("), self.choose(self.bool, self.path, d - 1), Raw(")"))),
            (1, lambda: Node(Raw("recurse"))),
            (1, lambda: Node(Raw("(.m | recurse(.[]?; . != null))"))),
            (1, lambda: Node(Raw("empty"))),
            (1, lambda: Node(Raw("(try "), self.path(d - 1), Raw(" catch .)"))),
            (1, lambda: Node(Raw("(try error(\"x\") catch "), self.path(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("("), self.number(d - 1), " as ", Raw("$x"), " | ", self.path(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("("), self.number(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("(reduce (\"m\", \"x\") as $k (.; .[$k]))"))),
            (1, lambda: Node(Raw("(paths as $p | getpath($p))"))),
            (3 if not self.functions else 9, lambda: self.a_call("path", d) or simple),
        )

    def slice(self):
        return [self.rng.choice(["1:", ":1", "0:2", "-2:", ":-1", "1:1", "5:9", "null:1", ".n:", "0.5:1.5", "-1e9:1e9"])]

    def a_path(self, d):
        """An array that is one, mostly."""
        return self.pick(
            (3, lambda: Node(Raw('["' + self.rng.choice(FIELDS) + '"]'))),
            (2, lambda: Node(Raw('["m", '), self.string(d - 1), Raw("]"))),
            (2, lambda: Node(Raw('["l", '), self.number(0), Raw("]"))),
            (1, lambda: Node(Raw('["l", {"start": 1, "end": null}]'))),
            (1, lambda: Node(Raw("[]"))),
            (1, lambda: Node(Raw("(["), Raw("paths] | .[-1] // [])"))),
            (1, lambda: Node(Raw("first("), Raw("path("), self.in_path(self.path, d - 1), Raw("))"))),
            (1, lambda: Node(Raw("path("), self.in_path(self.path, d - 1), Raw(")"))),
            (1, lambda: self.any(d - 1)),
        )

    def some_paths(self, d):
        return self.pick(
            (3, lambda: Node(Raw("["), self.a_path(d - 1), Raw("]"))),
            (2, lambda: Node(Raw("["), self.a_path(d - 1), ", ", self.a_path(d - 1), Raw("]"))),
            (2, lambda: Node(Raw("["), Raw("path("), self.in_path(self.path, d - 1), Raw(")]"))),
            (1, lambda: Node(Raw("[paths]"))),
            (1, lambda: Node(Raw("[paths("), self.bool(d - 1), Raw(")]"))),
            (1, lambda: Node(Raw("[leaf_paths]"))),
        )

    # Values. All are terms.

    def variable(self, kind):
        fitting = [name for name, k in self.variables if k == kind]
        return Node(Raw("$" + self.rng.choice(fitting))) if fitting else None

    def field(self, kind):
        return Node(Raw("." + self.rng.choice(OF_KIND[kind])))

    def event(self, kind):
        return self.some_of(*{
            "number": ["$event.ts", "$event.data.n", '$event["ts"]', "($event | .ts)", "($event.data?.n? // 1)", "$event.data.n?"],
            "string": ["$event.type", "$event.type", "$event.data.id?", "$event.actor", "($event.id // \"none\")", "$event.data.text?"],
            "array": ["$event.data.tags", "[$event.data]", "($event | keys)", "[$event.data.tags[]?]"],
            "object": ["$event", "$event.data", "$event.meta", "($event.data // {})", "({} + $event)"],
        }[kind])

    def any(self, d):
        if self.chance(0.04):
            return self.literal()
        if d > 1 and self.chance(0.12):
            return self.tried_term(self.any, d)
        if d > 1 and self.chance(0.04):
            return Node(Raw("("), self.change(d - 1), Raw(")"))
        return self.pick((5, lambda: self.number(d)), (4, lambda: self.string(d)), (3, lambda: self.array(d)), (3, lambda: self.object(d)),
                         (2, lambda: self.bool(d)), (1, lambda: Node("null")), (1, lambda: Node(".")), (1, lambda: self.misc(d)))

    def tried_term(self, make, d):
        return self.pick((1, lambda: Node(Raw("("), self.tried(make, d - 1), Raw(")"))),
                         (1, lambda: Node(Raw("("), Node(make(d - 1), Raw("?")), Raw(")"))),
                         (2, lambda: Node(Raw("("), Node(make(d - 1), " // ", make(d - 1)), Raw(")"))),
                         (1, lambda: Node(Raw("("), Node(self.failure(d), Raw("? // "), make(d - 1)), Raw(")"))))

    def literal(self):
        return Node(Raw(self.rng.choice(NUMBERS + STRINGS + ["null", "true", "false", "[]", "{}", "[1, [2]]", '{"a": {"b": null}}', "{if: 1, and: 2}", "{\"x\":3}.x", "nan", "infinite", "-infinite",
                                                             "[nan] | .[0]", "@text \"\\(1)\"", "$__loc__", "$__loc__.line", '"\\(1 + 2)\\("x")"'])))

    def misc(self, d):
        inner = self.array(d - 1)
        return self.pick(
            (1, lambda: Node(Raw("("), inner, " | ", self.some_of("tojson", "tostring", "@json", "@text", "type", "add", "length", "first", "last", "min", "max", "any", "all", "tojson | fromjson"), Raw(")"))),
            (1, lambda: Node(Raw("("), inner, " | ", self.some_of("@csv", "@tsv", "@html", "@uri", "@sh", "@base64", "@base32", "@json", "@text", "@base64d"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", self.some_of("@csv", "@html", "@uri", "@sh", "@base64", "@base32", "@json", "@text", "@base64d", "fromjson", "tonumber", "explode", "fromdate", "utf8bytelength", "test(\"a\")"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", Raw(self.rng.choice(["match", "capture", "test", "scan", "splits"])), Raw("("), Raw(self.rng.choice(REGEXES)),
                             Raw(self.rng.choice(["", "", '; "g"', '; "ix"', '; null', '; "q"'])), Raw("))"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", Raw(self.rng.choice(["sub", "gsub"])), Raw("("), Raw(self.rng.choice(REGEXES[:3] + REGEXES[9:])), "; ",
                             Raw(self.rng.choice(['"-"', '"<\\(.h? // 0)>"', '"\\(.)"', '("a", "b")', "1", "empty"])), Raw("))"))),
            (1, lambda: Node(Raw("(. | "), self.some_of("tojson", "type", "length?", "keys?", "tostring", "[paths]", "[leaf_paths]", "[..] | length", "tostream", "[tostream] | fromstream(.[])", "[.[]?]", "not", "map(.)?", "@json", "any?", "add?"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.number(d - 1), " | ", self.some_of("todate", "gmtime", "gmtime | mktime", "strftime(\"%Y-%m-%dT%H\")", "todate | fromdate", "gmtime | todate", "strftime(\"%A %j %%\")", "@text", "tojson", "todateiso8601"), Raw(")"))),
            (1, lambda: Node(Raw("(["), self.number(d - 1), ", ", self.number(d - 1), Raw("] | "), Raw(self.rng.choice(["mktime", "todate", "strftime(\"%Y\")", "implode", "combinations(1)", "transpose?", "[.[:2], .[-1:]]", "join(\",\")", "@csv", "sort", "limit(1; .[])", "IN(1, 2)", "min_by(.)", "isvalid(.[5])", "tojson"])), Raw(")"))),
            (1, lambda: Node(Raw("[limit("), self.number(0), "; ", self.any(d - 1), ", ", self.any(d - 1), Raw(")]"))),
            (1, lambda: Node(Raw("["), self.some_of("splits(\"a\")?"), Raw("]"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " as ", Raw("$__x"), " | ", Raw("$__x"), Raw(")"))),
        )

    def number(self, d):
        if d <= 0:
            return self.pick((4, lambda: Node(Raw(self.rng.choice(NUMBERS)))), (3, lambda: self.event("number")), (3, lambda: self.field("number")),
                             (2, lambda: self.variable("number") or Node("1")), (1, lambda: self.some_of("(.n // 0)")))
        return self.pick(
            (5, lambda: self.number(0)),
            (5, lambda: self.arithmetic(d)),
            (2, lambda: Node(Raw("("), self.pick((1, lambda: self.array(d - 1)), (1, lambda: self.object(d - 1)), (1, lambda: self.string(d - 1))), " | length", Raw(")"))),
            (2, lambda: Node(Raw("("), self.array(d - 1), " | ", self.some_of("add", "max", "min", "first", "last", ".[0]", ".[-1]", "length", "index(1)", "rindex(2)"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.number(d - 1), " | ", self.some_of("floor", "sqrt", "fabs", "round", "ceil", "-(.)", "tostring | tonumber", "log | floor", "pow(.; 2)", "exp10?", "trunc?", "significand", "logb", "gamma", "frexp | .[1]", "isnan | not", "isinfinite", "isnormal"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", self.some_of("utf8bytelength", "length", "tonumber? // 5", "ascii_downcase | length", "explode[0]", "index(\"a\")"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.choose(self.bool, self.number, d - 1), Raw(")"))),
            (1, lambda: Node(Raw("(reduce "), self.source(d - 1)[0], " as ", Raw("$x"), " (0; . + ", self.scoped([("x", "number")], self.number, d - 1), Raw("))"))),
            (1, lambda: Node(Raw("([foreach "), self.source(d - 1)[0], " as ", Raw("$x"), " (0; . + 1; ", self.scoped([("x", "number")], self.any, d - 1), Raw(")] | length)"))),
            (1, lambda: Node(Raw("first("), self.source(d - 1)[0], Raw(")"))),
            (1, lambda: Node(Raw("("), self.number(d - 1), ", ", self.number(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("-"), self.number(0))),
            (1, lambda: self.tried_term(self.number, d)),
            (2 if not self.functions else 6, lambda: self.a_call("number", d) or self.number(0)),
            (1, lambda: Node(Raw("("), self.array(d - 1), " | ", Raw("indices("), self.number(0), Raw(")[0])"))),
        )

    def arithmetic(self, d):
        operator = self.rng.choice(["+", "+", "-", "*", "/", "%", "+ 1 -", "* 2 +"])
        left, right = self.number(d - 1), self.number(d - 1)
        return Node(Raw("("), left, f" {operator} ", right, Raw(")"))

    def string(self, d):
        if d <= 0:
            return self.pick((4, lambda: Node(Raw(self.rng.choice(STRINGS)))), (3, lambda: self.event("string")), (3, lambda: self.field("string")),
                             (2, lambda: self.variable("string") or Node(Raw('"v"'))))
        return self.pick(
            (5, lambda: self.string(0)),
            (2, lambda: Node(Raw("("), self.string(d - 1), " + ", self.string(d - 1), Raw(")"))),
            (2, lambda: Node(Raw('"<\\('), self.any(d - 1), Raw(')>"'))),
            (1, lambda: Node(Raw('@'), Raw(self.rng.choice(["base64", "json", "text", "html", "uri", "sh", "csv", "base32"])), " ", Raw('"a\\('), self.any(d - 1), Raw(')b"'))),
            (2, lambda: Node(Raw("("), self.string(d - 1), " | ", self.some_of("ascii_downcase", "ascii_upcase", "ltrimstr(\"a\")", "rtrimstr(\"c\")", ".[1:]", ".[:2]", ".[-2:]", "tostring", "tojson", "explode | implode", "@uri", "split(\",\") | join(\";\")", "sub(\"a\"; \"b\")", "gsub(\"[a-z]\"; \"x\")", ".[0:1] * 3", ". * 0"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.array(d - 1), " | ", Raw("map(tostring) | join("), self.string(0), Raw("))"))),
            (1, lambda: Node(Raw("("), self.any(d - 1), " | ", self.some_of("tostring", "type", "tojson", "@text", "@json"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.choose(self.bool, self.string, d - 1), Raw(")"))),
            (1, lambda: self.tried_term(self.string, d)),
            (1, lambda: Node(Raw("($event.ts | "), self.some_of("todate", "strftime(\"%H\")", "gmtime | todate", "todate[:10]"), Raw(")"))),
        )

    def array(self, d):
        if d <= 0:
            return self.pick((3, lambda: self.field("array")), (2, lambda: Node(Raw(self.rng.choice(["[]", "[1]", "[3, 1, 2]", '["a", "b"]', "[null, 1]", "[[2], [1]]", "[{\"a\": 1}, {\"a\": 0}]"])))),
                             (2, lambda: self.event("array")), (1, lambda: self.variable("array") or Node("[.]")))
        return self.pick(
            (3, lambda: self.array(0)),
            (3, lambda: Node(Raw("["), self.any(d - 1), ", ", self.any(d - 1), Raw("]"))),
            (2, lambda: Node(Raw("["), self.source(d - 1)[0], Raw("]"))),
            (2, lambda: Node(Raw("("), self.array(d - 1), self.rng.choice([" + ", " - "]), self.array(d - 1), Raw(")"))),
            (3, lambda: Node(Raw("("), self.array(d - 1), " | ", Raw(self.rng.choice(["map(", "map(", "sort_by(", "group_by(", "unique_by(", "map_values(", "min_by(", "max_by("])), self.any(d - 1), Raw("))"))),
            (1, lambda: Node(Raw("("), self.array(d - 1), " | ", Raw("map(select("), self.any(d - 1), Raw(")))"))),
            (1, lambda: Node(Raw("("), self.array(d - 1), " | ", Raw(self.rng.choice(["[.[] | select(.) | ", "[limit(2; .[]) | "])), self.any(d - 1), Raw("])"))),
            (2, lambda: Node(Raw("("), self.array(d - 1), " | ", self.some_of("sort", "unique", "reverse", "flatten", "flatten(1)", ".[1:]", ".[-2:]", ".[:1]", "to_entries", "map(.)", "keys", "transpose?", "del(.[0])", "del(.[0, 1])", "indices(1)", "[paths]", "map(type)", "map([.])", "[.[]?]", "[recurse]", "[combinations]?", ". - [1]", "map(numbers)", "map(strings)", "map(values)", "map(scalars)", "flatten(-1)?"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.object(d - 1), " | ", self.some_of("keys", "to_entries", "[.[]]", "keys_unsorted", "map(.)", "[paths]", "[leaf_paths]", "[..]", "[tostream]"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", Raw(self.rng.choice(["split(\",\")", "explode", "[match(\"[a-z]\"; \"g\").string]", "[scan(\"[a-z]\")]", "indices(\"a\")", "split(\", *\"; null)", "[splits(\",\")]", "ascii_downcase / \"a\"", "[.[1:], .[:1]]"])), Raw(")"))),
            (1, lambda: self.tried_term(self.array, d)),
            (1, lambda: Node(Raw("[foreach "), self.source(d - 1)[0], " as ", Raw("$x"), " (0; . + 1; [", Raw("$x"), Raw(", .])]"))),
            (1, lambda: Node(Raw("[path("), self.in_path(self.path, d - 1), Raw(")]"))),
            (1, lambda: Node(Raw("("), self.choose(self.bool, self.array, d - 1), Raw(")"))),
        )

    def key(self, d):
        return self.pick(
            (5, lambda: Node(Raw(self.rng.choice(["a", "b", "n", "id", "x", "v"])))),
            (2, lambda: Node(Raw(self.rng.choice(KEYWORD_KEYS)))),
            (2, lambda: Node(Raw(self.rng.choice(['"a b"', '"c"', '"\\("a")x"', '@base64 "x"'])))),
            (3, lambda: Node(Raw("("), self.string(d), Raw(")"))),
            (1, lambda: Node(Raw("("), self.any(d), Raw(")"))),
        )

    def object(self, d):
        if d <= 0:
            return self.pick((3, lambda: self.field("object")), (2, lambda: Node(Raw(self.rng.choice(["{}", '{"a": 1}', "{a: 2, b: {c: 3}}", "{$event}", "{a}", '{"x", n}', "{\"b\": [], \"a\": {}}", "{(\"a\", \"b\"): 1}", "{a: $__loc__}"])))),
                             (2, lambda: self.event("object")), (1, lambda: self.variable("object") or Node("{}")))
        return self.pick(
            (2, lambda: self.object(0)),
            (4, lambda: Node(Raw("{"), self.key(d - 1), ": ", self.any(d - 1), ", ", self.key(0), ": ", self.any(d - 2), Raw("}"))),
            (2, lambda: Node(Raw("{"), self.key(d - 1), ": ", Raw("("), self.number(0), ", ", self.any(0), Raw(")"), Raw("}"))),
            (2, lambda: Node(Raw("("), self.object(d - 1), self.rng.choice([" + ", " * "]), self.object(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("("), self.array(d - 1), " | ", self.some_of("map({(tostring): 1}) | add", "to_entries | map({key: (.key | tostring), value}) | from_entries", "group_by(.) | map({(.[0] | tostring): length}) | add", "INDEX(.)", "map({k: ., v: 1}) | from_entries?", "map({name: tostring, value: 2}) | from_entries"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.object(d - 1), " | ", Raw(self.rng.choice(["with_entries(.value = 1)", "map_values(empty)", "map_values(., 1)", "del(.a)", "to_entries | from_entries", ".a = 1", ".q |= 3", "del(.[])", "with_entries(select(.value))", "delpaths([[\"a\"], [\"b\"]])", "walk(.)", "."])), Raw(")"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", Raw("capture("), Raw(self.rng.choice(REGEXES)), Raw("))"))),
            (1, lambda: self.tried_term(self.object, d)),
        )

    def bool(self, d):
        if d <= 0:
            return self.pick((1, lambda: Node(Raw(self.rng.choice(["true", "false", "null", ".a", ".z", "(.n > 2)", "(length < 3)"])))),
                             (2, lambda: Node(Raw('($event.type == "t")'))), (1, lambda: Node(Raw("(.n < $event.ts)"))),
                             (1, lambda: Node(Raw("("), self.some_of("$event.data.n?"), Raw(" != null)"))))
        return self.pick(
            (2, lambda: self.bool(0)),
            (5, lambda: Node(Raw("("), self.any(d - 1), self.rng.choice([" == ", " != ", " < ", " <= ", " > ", " >= "]), self.any(d - 1), Raw(")"))),
            (3, lambda: Node(Raw("("), self.bool(d - 1), self.rng.choice([" and ", " or "]), self.bool(d - 1), Raw(")"))),
            (1, lambda: Node(Raw("("), self.bool(d - 1), " | not", Raw(")"))),
            (1, lambda: Node(Raw("("), self.array(d - 1), " | ", self.some_of("any", "all", "any(. == 1)", "all(.; . != 2)", "contains([1])", "inside([1, 2, 3])", "has(0)", "isempty(.[])", "any(.[]; . > 1)", "has(5)", "IN([1])", "contains([\"a\"])"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.object(d - 1), " | ", self.some_of("has(\"a\")", "has($event.type)", "contains({a: 1})", "inside({a: 1, b: 2})", "has(0)", "in({})?", "length > 1", "any", "all(. != null)"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.string(d - 1), " | ", self.some_of("startswith(\"a\")", "endswith(\"c\")", "test(\"[a-c]\")", "contains(\"b\")", "inside(\"abc\")", ". < \"m\"", "in({\"a\": 1})", "test(\"A\"; \"i\")", "startswith(1)"), Raw(")"))),
            (1, lambda: Node(Raw("("), self.choose(self.bool, self.bool, d - 1), Raw(")"))),
            (1, lambda: self.tried_term(self.bool, d)),
        )


if __name__ == "__main__":
    import sys

    for seed in range(int(sys.argv[1]), int(sys.argv[2])):
        print(f"--- {seed}\n{Program(seed).text}")
