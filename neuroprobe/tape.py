"""A forward pass written down: every operation on tensors, in order, so that parts of it can be run again.

A ``TorchFunctionMode`` sees each call of a torch function, whoever makes it. Operations that write in place are kept
in a form that does not, so that every value on the tape keeps what it held. What a network does with the number of
images (``x.view(len(x), -1)``) shows when two passes with different numbers are laid side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import ne
from typing import Any

from torch import Tensor, nn

from neuroprobe.addresses import Layer
from neuroprobe.calls import Call, Mode, Watch, function_name, functions_are_held, nonlinearity, unseen
from neuroprobe.interrupts import entered
from neuroprobe.parts import part_at, parts_of, with_part

_BATCHES = (2, 3)  # images in the two passes that are laid side by side
_READS_OF_DATA = {
    "item", "tolist", "numpy", "array", "bool", "float", "int", "index", "complex",
    "equal", "allclose", "is_nonzero", "contains",
}  # fmt: skip
_NESTS = (list, tuple, dict, slice)
_INFIX = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "true_divide"}


class NotReplayableError(Exception):
    """A forward pass that cannot be written down as operations on tensors."""


@dataclass(frozen=True)
class Value:
    """A tensor on the tape, by number."""

    number: int


@dataclass(frozen=True)
class Size:
    """A whole number that follows the number of images: ``slope * images + offset``."""

    slope: int
    offset: int

    def at(self, images: int) -> int:
        """Return the number for a batch."""
        return self.slope * images + self.offset


@dataclass(frozen=True, eq=False)
class Operation:
    """One call of a torch function; tensors of the pass stand as ``Value`` in its arguments and output."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    output: Any

    @cached_property
    def reads(self) -> tuple[int, ...]:
        """The values it takes."""
        return tuple(leaf.number for leaf in leaves((self.arguments, self.named)) if isinstance(leaf, Value))

    @cached_property
    def writes(self) -> tuple[int, ...]:
        """The values it makes."""
        return tuple(leaf.number for leaf in leaves(self.output) if isinstance(leaf, Value))


@dataclass(frozen=True, eq=False)
class Tape:
    """A forward pass for any number of images."""

    operations: tuple[Operation, ...]
    images: int  # the value that holds the input
    output: int  # the value that holds the logits: the first tensor in what the network returns
    layers: dict[str, int]  # the value each layer holds
    shapes: dict[int, tuple[int | Size, ...]]

    def image_axis(self, value: int) -> int | None:
        """Return the axis of a value that grows with the number of images, None where none does."""
        axes = [axis for axis, length in enumerate(self.shapes[value]) if isinstance(length, Size)]
        if len(axes) > 1 or any(self.shapes[value][axis].offset for axis in axes):  # type: ignore[union-attr]
            raise NotReplayableError(f"a tensor of shape {self.shapes[value]} does not hold one part for each image")
        return axes[0] if axes else None


def write_down(model: nn.Module, images: Tensor, layers: Sequence[Layer], own: dict[int, Tensor] | None = None) -> Tape:
    """Write down the forward pass of a model at rest over images like these, layers marked.

    What the network itself gives for the images, of which it takes three, is put into ``own``: the layers' values and
    the output, by number.

    Raises:
        NotReplayableError: if what the network runs depends on what its images show, or cannot be followed.
    """
    if functions_are_held():
        raise NotReplayableError("an activation function is ablated around it")
    several = images.expand(max(_BATCHES), *images.shape[1:]) if len(images) == 1 else images
    few, more = (several[:number].clone() for number in _BATCHES)
    # more first: what counts passes then grows as the images get fewer
    of_more, of_few = _passes(model, [(more, own), (few, None)], layers)
    return _side_by_side(of_few, of_more)


def leaves(nested: Any) -> list[Any]:
    """Return what lists, tuples, dicts and slices hold, however deep."""
    if isinstance(nested, dict):
        nested = nested.values()
    elif isinstance(nested, slice):
        nested = (nested.start, nested.stop, nested.step)
    elif not isinstance(nested, list | tuple):
        return [nested]
    found: list[Any] = []
    for item in nested:
        if isinstance(item, _NESTS):
            found += leaves(item)
        else:
            found.append(item)
    return found


def mapped(change: Callable[..., Any], nested: Any, *others: Any) -> Any:
    """Return the same nest with every leaf changed, beside the leaves of nests of the same form."""
    if isinstance(nested, dict):
        return {key: mapped(change, value, *(other[key] for other in others)) for key, value in nested.items()}
    if isinstance(nested, slice):
        ends = ((one.start, one.stop, one.step) for one in (nested, *others))
        return slice(*mapped(change, *ends))
    if not isinstance(nested, list | tuple):
        return change(nested, *others)
    if any(len(other) != len(nested) for other in others):
        raise NotReplayableError("what the network passes on differs in length with the number of images")
    pairs = zip(nested, *others, strict=True)
    items = [mapped(change, *pair) if isinstance(pair[0], _NESTS) else change(*pair) for pair in pairs]
    if hasattr(nested, "_fields"):
        return type(nested)(*items)
    return items if isinstance(nested, list) else tuple(items)


@dataclass(eq=False)
class _Pass:
    """What one pass left."""

    operations: list[Operation] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)  # by number
    layers: dict[str, int] = field(default_factory=dict)
    output: int = 0


class _Recorder(Mode):
    """While entered, write down every operation that gives tensors."""

    def begin(self, images: Tensor) -> None:
        """Begin a pass over images."""
        self.written = _Pass()
        self._tensors: list[Tensor] = []  # by number; kept for the pass, so that no other takes their identity
        self._numbers: dict[int, int] = {}  # identity of a tensor -> its number now
        self._stale: set[int] = set()  # numbers of views of a tensor that was written to
        self._moving: set[int] = {self.number(images)}  # numbers of what follows from the images

    def number(self, tensor: Tensor) -> int:
        """Give a tensor a number of its own."""
        self._numbers[id(tensor)] = len(self._tensors)
        self._tensors.append(tensor)
        self.written.shapes.append(tuple(tensor.shape))
        return self._numbers[id(tensor)]

    def value_of(self, leaf: Any) -> Any:
        """Return the number of a tensor of the pass; anything else stays as it is."""
        if not isinstance(leaf, Tensor):
            return leaf
        if id(leaf) not in self._numbers:
            return leaf.clone() if leaf.is_inference() else leaf  # no gradient passes by an inference tensor
        value = Value(self._numbers[id(leaf)])
        if value.number not in self._stale:
            return value
        if value.number in self._moving:
            raise NotReplayableError("the network writes in place to a tensor that it reads through a view")
        return leaf  # made of parameters alone: as it stands now

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        tensors = _tensors((args, named))
        versions = [_version(tensor) for tensor in tensors]
        output = function(*args, **named)
        written = [t for t, version in zip(tensors, versions, strict=True) if _version(t) != version]
        if written or _tensors(output):
            follows = any(self._numbers.get(id(tensor)) in self._moving for tensor in tensors)
            before = len(self._tensors)
            arguments = mapped(self.value_of, (args, named))
            self.written.operations.append(
                self._in_place(function, arguments, args, written)
                if written
                else Operation(function, arguments[0], arguments[1], mapped(self._numbered, output))
            )
            if follows:
                self._moving.update(range(before, len(self._tensors)))
        elif function_name(function) in _READS_OF_DATA and any(id(tensor) in self._numbers for tensor in tensors):
            raise NotReplayableError("the network decides by what its images show what to run")
        return output

    def _numbered(self, leaf: Any) -> Any:
        return Value(self.number(leaf)) if isinstance(leaf, Tensor) else leaf

    def _in_place(self, function: Any, arguments: Any, args: Any, written: list[Tensor]) -> Operation:
        place = next((i for i, value in enumerate(args) if value is written[0]), None)
        if len({id(tensor) for tensor in written}) > 1 or place is None:
            raise NotReplayableError(f"{function_name(function)} writes to several tensors, or to one given by name")
        self._stale |= {number for number, tensor in enumerate(self._tensors) if _share(tensor, written[0])}
        form, (positional, named) = _out_of_place(function, arguments, place)
        return Operation(form, positional, named, Value(self.number(written[0])))


def _out_of_place(function: Any, arguments: tuple[Any, Any], place: int) -> tuple[Any, tuple[Any, Any]]:
    """Return a function that gives what another would write over its argument, and the arguments for it."""
    positional, named = arguments
    name = function_name(function)
    if "inplace" in named:
        return function, (positional, named | {"inplace": False})
    plain = getattr(Tensor, _INFIX.get(name, name), None)
    if plain is not None and getattr(function, "__name__", "") in {name + "_", f"__{name}__"} and place == 0:
        return plain, arguments
    return partial(_on_a_copy, function, place), arguments


def _on_a_copy(function: Any, place: int, *args: Any, **named: Any) -> Tensor:
    copy = args[place].clone()
    function(*args[:place], copy, *args[place + 1 :], **named)
    return copy


def _tensors(nested: Any) -> list[Tensor]:
    return [leaf for leaf in leaves(nested) if isinstance(leaf, Tensor)]


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version  # noqa: SLF001 - nothing public says that a tensor was written


def _share(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


@dataclass(eq=False)
class _Marker:
    """Told the calls of a pass that is written down, marks the values of layers, and may copy what they hold."""

    modules: dict[str, nn.Module]
    layers: dict[Call, list[Layer]]
    recorder: _Recorder
    own: dict[int, Tensor] | None = None  # where copies go

    def __call__(self, call: Call, output: Any) -> Any:
        """Mark the layers in a call's output; return it where a tensor of their own was put into it."""
        if call not in self.layers:
            return None
        with unseen():
            if any(part.is_quantized for _, part in parts_of(output)):
                raise NotReplayableError("the network computes in quantised numbers")
        fresh = nonlinearity(call, self.modules[call.module]) is not None
        for layer in self.layers[call]:
            part = part_at(output, layer.part)
            if not fresh:  # a tensor of its own for the address: Identity hands on its input, which others may read too
                part = part.view_as(part)
                output = with_part(output, layer.part, part)
            number = self.recorder.written.layers[layer.name] = self.recorder.value_of(part).number
            if self.own is not None:
                with unseen():  # copying is none of the network's operations
                    self.own[number] = part.clone()  # which may write over it
        return None if fresh else output


def _passes(
    model: nn.Module, batches: Sequence[tuple[Tensor, dict[int, Tensor] | None]], layers: Sequence[Layer]
) -> list[_Pass]:
    """Run a pass over each batch, and put what the network gives where it is wanted."""
    by_call: dict[Call, list[Layer]] = {}
    for layer in layers:
        by_call.setdefault(layer.call, []).append(layer)
    recorder = _Recorder()
    marker = _Marker(dict(model.named_modules()), by_call, recorder)
    watched = {call.module for call in by_call if call.function is None}
    functions = any(call.function for call in by_call)
    with entered(recorder, Watch(model, marker, modules=watched, functions=functions)):
        return [_pass(model, images, marker, own) for images, own in batches]


def _pass(model: nn.Module, images: Tensor, marker: _Marker, own: dict[int, Tensor] | None) -> _Pass:
    recorder = marker.recorder
    recorder.begin(images)
    marker.own = own
    output = model(images)
    logits = next((part for _, part in parts_of(output)), None)
    answer = recorder.value_of(logits)
    if logits is None or not isinstance(answer, Value):
        raise NotReplayableError("what it returns does not come out of operations that could be followed")
    recorder.written.output = answer.number
    if own is not None:
        own[answer.number] = logits
    return recorder.written


def _side_by_side(few: _Pass, more: _Pass) -> Tape:
    """Lay two passes side by side, and make of numbers that differ what follows the number of images."""
    names = ([function_name(operation.function) for operation in one.operations] for one in (few, more))
    if ne(*names):
        raise NotReplayableError("the network runs other operations for another number of images")
    operations = tuple(
        Operation(
            one.function,
            mapped(_followed, one.arguments, two.arguments),
            mapped(_followed, one.named, two.named),
            one.output,
        )
        for one, two in zip(few.operations, more.operations, strict=True)
    )
    shapes = {
        number: mapped(_followed, one, two)
        for number, (one, two) in enumerate(zip(few.shapes, more.shapes, strict=True))
    }
    return Tape(operations, 0, few.output, few.layers, shapes)


def _followed(few: Any, more: Any) -> Any:
    if type(few) is not int or few == more:
        return few
    low, high = _BATCHES
    slope = (more - few) // (high - low)
    if slope < 0:
        raise NotReplayableError("a number falls as the images get more, or grows from pass to pass")
    return Size(slope, few - slope * low)
