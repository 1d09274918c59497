# SPDX-License-Identifier: Apache-2.0
"""A codec of its own: any message at any version, to and from plain Python values.

A struct is a dict by field name: numbers are int, float and bool; a string is str (what is not UTF-8 in it survives); bytes,
records and uuid are bytes; an array is a list; null is None. A tagged field is there when it was on the wire. Tags that the
definition does not know are in UNKNOWN: {tag: bytes}.
"""
import struct

UNKNOWN = "?"
STRING_MAX = 32767


class Malformed(Exception):
    """Bytes that are no such message."""


def put_uvarint(out, value):
    """Unsigned varint (KIP-482)."""
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)


def get_uvarint(data, at):
    """(value, where it ends); longer than needed is legal."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 28:
            raise Malformed(f"a varint is too long at byte {at}")


def _number(code):
    packer = struct.Struct(">" + code)
    pack, unpack, size = packer.pack, packer.unpack_from, packer.size

    def write(out, value):
        out += pack(value)

    def read(data, at):
        return unpack(data, at)[0], at + size

    return write, read


NUMBERS = {"bool": _number("?"), "int8": _number("b"), "int16": _number("h"), "uint16": _number("H"),
           "int32": _number("i"), "uint32": _number("I"), "int64": _number("q"), "float64": _number("d")}


def _uuid():
    def write(out, value):
        assert len(value) == 16
        out += value

    def read(data, at):
        if len(data) < at + 16:
            raise Malformed(f"no room for a uuid at byte {at}")
        return bytes(data[at:at + 16]), at + 16

    return write, read


def _length(compact, code):
    """How lengths and counts are written: None is null."""
    if compact:
        def write(out, length):
            put_uvarint(out, 0 if length is None else length + 1)

        def read(data, at):
            value, at = get_uvarint(data, at)
            return (None if value == 0 else value - 1), at

        return write, read
    write_number, read_number = NUMBERS[code]

    def write_classic(out, length):
        write_number(out, -1 if length is None else length)

    def read_classic(data, at):
        value, at = read_number(data, at)
        if value < -1:
            raise Malformed(f"a length of {value} before byte {at}")
        return (None if value == -1 else value), at

    return write_classic, read_classic


def _sized(compact, is_string, nullable):
    write_length, read_length = _length(compact, "int16" if is_string else "int32")

    def write(out, value):
        if value is None:
            assert nullable
            write_length(out, None)
            return
        data = value.encode("utf-8", "surrogateescape") if is_string else value
        write_length(out, len(data))
        out += data

    def read(data, at):
        length, at = read_length(data, at)
        if length is None:
            if not nullable:
                raise Malformed(f"null before byte {at}, where it may not be")
            return None, at
        end = at + length
        if end > len(data) or (is_string and length > STRING_MAX):
            raise Malformed(f"a length of {length} before byte {at}")
        value = bytes(data[at:end])
        return (value.decode("utf-8", "surrogateescape") if is_string else value), end

    return write, read


def _array(compact, nullable, element):
    write_length, read_length = _length(compact, "int32")
    write_element, read_element = element

    def write(out, value):
        assert value is not None or nullable
        write_length(out, None if value is None else len(value))
        for item in value or ():
            write_element(out, item)

    def read(data, at):
        count, at = read_length(data, at)
        if count is None:
            if not nullable:
                raise Malformed(f"null before byte {at}, where it may not be")
            return None, at
        if count > len(data) - at:
            raise Malformed(f"a count of {count} before byte {at}")
        items = []
        for _ in range(count):
            item, at = read_element(data, at)
            items.append(item)
        return items, at

    return write, read


def _nullable_struct(inner):
    """A struct that may be null has a byte before it (KIP-893)."""
    write_inner, read_inner = inner

    def write(out, value):
        out += b"\xff" if value is None else b"\x01"
        if value is not None:
            write_inner(out, value)

    def read(data, at):
        if data[at] >= 0x80:
            return None, at + 1
        return read_inner(data, at + 1)

    return write, read


def _field(field, version, flexible):
    compact = flexible if field.flexible is None else version in field.flexible
    nullable = version in field.nullable
    if field.fields is not None:
        element = _struct(field.fields, version, flexible)
    elif field.type in NUMBERS:
        element = NUMBERS[field.type]
    elif field.type == "uuid":
        element = _uuid()
    elif field.type in ("string", "bytes", "records"):
        element = _sized(compact, field.type == "string", nullable and not field.is_array)
    else:
        raise Malformed(f"the type {field.type} of {field.path} is not known")
    if field.is_array:
        return _array(compact, nullable, element)
    if field.fields is not None and nullable:
        return _nullable_struct(element)
    return element


def _tags(known):
    """The tag section of a struct; known: {tag: (name, write, read)}."""
    def write(out, value):
        pieces = dict(value.get(UNKNOWN, {}))
        for tag, (name, write_field, _) in known.items():
            if name in value:
                assert tag not in pieces
                pieces[tag] = bytearray()
                write_field(pieces[tag], value[name])
        put_uvarint(out, len(pieces))
        for tag in sorted(pieces):
            put_uvarint(out, tag)
            put_uvarint(out, len(pieces[tag]))
            out += pieces[tag]

    def read(data, at, value):
        count, at = get_uvarint(data, at)
        last = -1
        for _ in range(count):
            tag, at = get_uvarint(data, at)
            size, at = get_uvarint(data, at)
            if tag <= last or at + size > len(data):
                raise Malformed(f"tag {tag} of {size} bytes at byte {at}")
            last = tag
            if tag in known:
                name, _, read_field = known[tag]
                value[name], end = read_field(data, at)
                if end != at + size:
                    raise Malformed(f"tag {tag} ({name}) says {size} bytes and has {end - at}")
            else:
                value.setdefault(UNKNOWN, {})[tag] = bytes(data[at:at + size])
            at += size
        return at

    return write, read


def _struct(fields, version, flexible):
    inline, known = [], {}
    for field in fields:
        if version not in field.versions:
            continue
        pair = _field(field, version, flexible)
        if version in field.tagged:
            known[field.tag] = (field.name, *pair)
        else:
            inline.append((field.name, *pair))
    write_tags, read_tags = _tags(known) if flexible else (None, None)

    def write(out, value):
        for name, write_field, _ in inline:
            write_field(out, value[name])
        if write_tags:
            write_tags(out, value)

    def read(data, at):
        value = {}
        for name, _, read_field in inline:
            value[name], at = read_field(data, at)
        if read_tags:
            at = read_tags(data, at, value)
        return value, at

    return write, read


class Codec:
    """One message at one version."""

    def __init__(self, message, version):
        assert version in message.versions, (message.name, version)
        self.message = message
        self.version = version
        self.is_flexible = version in message.flexible
        self._write, self._read = _struct(message.fields, version, self.is_flexible)

    def write(self, out, value):
        """Appends the message to a bytearray."""
        self._write(out, value)

    def read(self, data, at=0):
        """(value, where it ends)."""
        try:
            return self._read(data, at)
        except (IndexError, struct.error) as error:
            raise Malformed(f"{self.message.name} v{self.version} ends too soon: {error}") from None

    def read_all(self, data, at=0):
        """The value; nothing may follow it."""
        value, end = self.read(data, at)
        if end != len(data):
            raise Malformed(f"{self.message.name} v{self.version}: {len(data) - end} bytes follow it")
        return value


class Frames:
    """Whole frames of one API at one version in one direction: {"header": ..., "body": ...}. Without the four bytes of size."""

    def __init__(self, messages, message, version):
        self.body = Codec(message, version)
        name, number = "RequestHeader", 2 if self.body.is_flexible else 1
        if message.kind == "response":
            name, number = "ResponseHeader", 1 if self.body.is_flexible and message.key != 18 else 0
        self.header = Codec(messages[name], number)

    def encode(self, frame):
        out = bytearray()
        self.header.write(out, frame["header"])
        self.body.write(out, frame["body"])
        return bytes(out)

    def decode(self, data):
        header, at = self.header.read(data)
        return {"header": header, "body": self.body.read_all(data, at)}


def encode_embedded(codec, value):
    """A consumer protocol message as it stands in a bytes field: its version first."""
    out = bytearray(codec.version.to_bytes(2, "big"))
    codec.write(out, value)
    return bytes(out)
