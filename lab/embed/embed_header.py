# SPDX-License-Identifier: MIT
"""One public header of the core for a program that has names of its own.

The headers of include/pagoda/ use the names of the literature: min, ALIGN, struct page, panic, spinlock_t. A host kernel
has the same names for things of its own. So the headers that an embedder includes are joined into one, in the order
in which they include each other, and every name that they define gets a prefix: macros, tags of structs, unions and
enums, enumerators, typedefs, functions and variables. Members, parameters and comments stay as they are, apart from
names in comments.

    what is renamed       where
    macros                read off the #define lines
    tags                  after the words struct, union and enum
    all other names       read off the preprocessed text, so that names which macros paste together are known, too

The two sides of ## are parts of names: the left side gets the prefix, and so does the argument of a macro that stands on
the left side of ## there. collisions() preprocesses a finished header again and names what has no prefix; the caller
refuses a header with such names.

The functions of port.h that a machine may inline are ordinary functions here, if machine/embed/include/port/inline.h
leaves them to the host: its twins port_call_X() are the host's port_X().
"""
import os
import re
import subprocess

from lab.common import EXIT_HOST, ROOT, Refusal

INCLUDE_FOLDERS = [".", "include", "arch/x86/include"]  # the geometry's and the port's folder come behind them
TOKEN = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|\.?\d[\w.]*|\#\#|\s+|.""",
                   re.DOTALL)
WORD = re.compile(r"[A-Za-z_]\w*\Z")
KEYWORDS = set("auto break case char const continue default do double else enum extern float for goto if inline int long "
               "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile "
               "while _Alignas _Alignof _Atomic _Bool _Noreturn _Static_assert _Thread_local __attribute__ __asm__ "
               "__typeof__ __volatile__ __extension__ __inline asm typeof".split())
TAG_WORDS = {"struct", "union", "enum"}
PORT_HEADER = "include/pagoda/port.h"
INLINES_MARK = "/* the port's inlines */\n"


def tokens_of(text):
    return TOKEN.findall(text)


def is_word(token):
    return bool(WORD.match(token))


# ---- Joining ---------------------------------------------------------------------------------------------------


def find_header(name, folders):
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.exists(os.path.join(ROOT, path)):
            return path
    raise Refusal(EXIT_HOST, f"embed: there is no header {name}")


def closure(headers, folders):
    """The headers and what they include, those included first; and the compiler's own headers that they need."""
    order, compilers = [], set()

    def visit(name):
        if "/" not in name:
            compilers.add(name)
            return
        path = find_header(name, folders)
        if path in seen:
            return
        seen.add(path)
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()
        for included in re.findall(r"^#include <([^>]+)>", text, re.MULTILINE):
            visit(included)
        order.append((path, text))

    seen = set()
    for header in headers:
        visit(header)
    return order, sorted(compilers)


def body_of(text):
    """A header's text without what concerns it as a file of its own."""
    text = text.replace("#include <port/inline.h>\n", INLINES_MARK)
    text = re.sub(r"^/\* SPDX.*?\*/\n|^#pragma once\n|^#include [^\n]*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def port_calls(inline_header):
    """The functions of port.h that a port/inline.h leaves to the host: those with a twin of the name port_call_."""
    return sorted(set(re.findall(r"\bport_call_(\w+)\(", inline_header)))


def join_port(port, inline_header):
    """port.h with the inlines of a port in their place; those that only call their twin become the twin."""
    for name in port_calls(inline_header):
        port = re.sub(rf"^static inline ([^;{{}}]*\bport_{name}\([^;{{}}]*;)", r"\1", port, flags=re.MULTILINE)
        inline_header = re.sub(rf"^\w[^\n{{}}]*\bport_call_{name}\([^\n{{}}]*;\n", "", inline_header, flags=re.MULTILINE)
        inline_header = re.sub(rf"^static inline [^;{{}}]*\bport_{name}\([^{{}}]*\{{[^{{}}]*\}}\n+", "", inline_header, flags=re.MULTILINE)
    return port.replace(INLINES_MARK, inline_header.replace("port_call_", "port_"))


# ---- What is defined ---------------------------------------------------------------------------------------------


def preprocess(text, compiler):
    done = subprocess.run([*compiler, "-E", "-P", "-undef", "-nostdinc", "-x", "c", "-"], input=text, text=True, capture_output=True)
    if done.returncode:
        raise Refusal(EXIT_HOST, f"embed: {compiler[-1]} cannot preprocess the header: {done.stderr[:300]}")
    return done.stdout


def skip_group(tokens, at):
    """The index behind the bracket that closes the one at tokens[at]."""
    closing = {"(": ")", "{": "}", "[": "]"}
    depth, opened, closed = 0, tokens[at], closing[tokens[at]]
    while at < len(tokens):
        depth += (tokens[at] == opened) - (tokens[at] == closed)
        at += 1
        if not depth:
            break
    return at


def enumerators(tokens):
    """Names in the braces of enums, wherever they are."""
    for at, token in enumerate(tokens):
        if token != "enum":
            continue
        at += 2 if is_word(tokens[at + 1]) else 1
        if tokens[at] != "{":
            continue
        end = skip_group(tokens, at)
        for before, name in zip(tokens[at:end], tokens[at + 1:end]):
            if before in "{," and is_word(name):
                yield name


def declarations(tokens):
    """Each declaration at file scope, a list of tokens without bodies of functions, structs and attributes."""
    current, at = [], 0
    while at < len(tokens):
        token = tokens[at]
        if token == ";":
            yield current
            current, at = [], at + 1
        elif token in ("__attribute__", "_Static_assert", "__asm__"):
            at = skip_group(tokens, at + 1)
        elif token == "{":
            is_function = current and current[-1] == ")" and "=" not in current
            at = skip_group(tokens, at)
            if is_function:
                yield current
                current = []
            else:
                current.append("{}")
        else:
            current.append(token)
            at += 1


def declared_names(declaration):
    """The names that one declaration declares, tags apart."""
    at, depth, last = 0, 0, None
    while at < len(declaration):
        token = declaration[at]
        if token in TAG_WORDS and at + 1 < len(declaration) and is_word(declaration[at + 1]):
            at += 2  # a tag
            continue
        if token == "(" and not depth and declaration[at + 1:at + 2] == ["*"]:
            last = next(t for t in declaration[at:] if is_word(t) and t not in KEYWORDS)  # (*name)(...)
            yield last
            return
        if token in "(=[," and not depth and last:
            yield last
            last = None
            if token == "(":
                return
        depth += (token in "([") - (token in ")]")
        if not depth and is_word(token) and token not in KEYWORDS:
            last = token
        at += 1
    if last:
        yield last


class Names:
    """What a text defines: plain names, tags, and of the plain ones those with external linkage."""

    def __init__(self, text, compiler):
        self.macros = set(re.findall(r"^\s*#\s*define\s+(\w+)", text, re.MULTILINE))
        self.tags, self.external, others = set(), set(), set()
        tokens = [t for t in tokens_of(preprocess(text, compiler)) if not t.isspace()]
        self.tags.update(name for word, name in zip(tokens, tokens[1:]) if word in TAG_WORDS and is_word(name))
        others.update(enumerators(tokens))
        for declaration in declarations(tokens):
            names = set(declared_names(declaration))
            others |= names
            if "static" not in declaration and "typedef" not in declaration:
                self.external |= names
        self.plain = self.macros | others
        self.all = self.plain | self.tags


# ---- Renaming ---------------------------------------------------------------------------------------------------


def macro_definitions(text):
    """(name, parameters, body) of each macro, with its lines joined."""
    joined = text.replace("\\\n", " ")
    for match in re.finditer(r"^#define[ \t]+(\w+)(?:\(([^)]*)\))?(.*)$", joined, re.MULTILINE):
        yield match[1], [p.strip() for p in (match[2] or "").split(",") if p.strip()], match[3]


def pasting_parameters(text):
    """Which arguments of which macros become the beginning of a name: {macro: {index}}."""
    found = {}
    for name, parameters, body in macro_definitions(text):
        for index, parameter in enumerate(parameters):
            if re.search(rf"(?<![\w#])(?<!## ){parameter}\s*##", body):
                found.setdefault(name, set()).add(index)
    return found


def rename_arguments(text, prefix, pasting):
    """Prefix the arguments in which a name begins."""
    for macro, indexes in pasting.items():
        def rename(match):
            words = [w.strip() for w in match[1].split(",")]
            return f"{macro}({', '.join(prefix + w if i in indexes else w for i, w in enumerate(words))})"
        text = re.sub(rf"(?<!define )\b{macro}\(([^()]*)\)", rename, text)
    return text


def rename_comment(comment, names, prefix):
    def rename(match):
        word, behind = match[2], match[3]
        if match[1] and word in names.tags:
            return f"{match[1]}{prefix}{word}{behind}"
        if word in names.plain and ("_" in word or behind):
            return f"{match[1] or ''}{prefix}{word}{behind}"
        return match[0]
    return re.sub(r"((?:struct|enum|union)\s+)?\b([A-Za-z_]\w*)\b(\(?)", rename, comment)


def rename_code(text, names, prefix):
    tokens = tokens_of(text)
    solid = [i for i, t in enumerate(tokens) if not t.isspace() and t != "\\"]
    place = {index: order for order, index in enumerate(solid)}

    def neighbour(i, step):
        order = place[i] + step
        return tokens[solid[order]] if 0 <= order < len(solid) else ""

    parameters = {p for _, ps, _ in macro_definitions(text) for p in ps}
    result = list(tokens)
    for i in solid:
        token = tokens[i]
        if token.startswith("/*"):
            result[i] = rename_comment(token, names, prefix)
        elif not is_word(token) or neighbour(i, -1) == "##" or neighbour(i, -3) == "__attribute__":
            continue
        elif neighbour(i, -1) in TAG_WORDS:
            result[i] = prefix + token if token in names.tags else token
        elif token in names.plain or token.startswith("CONFIG_"):
            result[i] = prefix + token
        elif neighbour(i, 1) == "##" and token not in parameters:
            result[i] = prefix + token
    return "".join(result)


INTRODUCTION = """\
/* SPDX-License-Identifier: MIT */
/*
 * pagoda.h: Pagoda's memory manager, tier {tier}, geometry {geometry}, for a host with names of its own.
 *
 * Made by `./pagoda embed --tier {tier}`{option} from the headers named below. Every name that is defined here, macros
 * too, begins with {prefix}. The object pagoda.o defines the functions and variables that the host calls; the
 * host defines those of the section "port.h" that belong to this tier, and port_layout. Functions marked [inline] there
 * are ordinary functions here, or have a body.
 *
 * For C11 or later and C++17, with gcc or clang.
 */
#pragma once

#ifdef __cplusplus
#define {prefix}static_assert static_assert
#endif
"""


def join(headers, folders):
    """The text of all these headers and what they include, with their own names; the compiler's headers that they need."""
    parts, compilers = closure(headers, folders)
    bodies = {path: body_of(text) for path, text in parts}
    inline_header = bodies.pop(next(path for path in bodies if path.endswith("port/inline.h")))
    bodies[PORT_HEADER] = join_port(bodies[PORT_HEADER], inline_header)
    return "\n".join(f"/* ---- {os.path.basename(path)} {'-' * (90 - len(os.path.basename(path)))} */\n\n{text}"
                     for path, text in bodies.items()), compilers


def make(headers, folders, prefix, introduction, compiler):
    """Text of the header, and the names with external linkage that it declares, without prefix."""
    whole, compilers = join(headers, folders)
    names = Names(whole, compiler)
    renamed = rename_code(rename_arguments(whole, prefix, pasting_parameters(whole)), names, prefix)
    check(renamed, prefix, compiler)
    includes = "".join(f"#include <{name}>\n" for name in compilers)
    return f"{introduction}\n{includes}\n{renamed}", names.external


def check(text, prefix, compiler):
    bare = sorted(name for name in Names(text, compiler).all if not name.startswith(prefix))
    if bare:
        raise Refusal(EXIT_HOST, f"embed: names in the header without the prefix {prefix}: {', '.join(bare[:10])}")
