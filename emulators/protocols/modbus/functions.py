"""Every function, through pymodbus's message classes.

A function takes a bank, the request after its function code and a way to submit changes, and returns the response
message. Order of the checks: AP, 7, figure 9 (function, quantity, address, execution).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.diag_message import ReturnQueryDataResponse
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    MaskWriteRegisterResponse,
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    ReadWriteMultipleRegistersRequest,
    ReadWriteMultipleRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from pilotfarm.emulators.errors import (
    Blocked,
    Busy,
    NoAnswer,
    NoSuchPoint,
    NotWritable,
    OutOfRange,
    PointError,
    Unsupported,
)
from pilotfarm.emulators.plans.modbus import INPUT
from pilotfarm.emulators.protocols.modbus.table import Bank

ILLEGAL_FUNCTION: Final = 0x01
BUSY: Final = 0x06
GATEWAY_PATH_UNAVAILABLE: Final = 0x0A
GATEWAY_TARGET_FAILED: Final = 0x0B

EXCEPTION: Final = 0x80
"""Set in the function code of an answer that is an exception."""
EXCEPTIONS: Final[Mapping[int, str]] = {
    0x01: "illegal_function",
    0x02: "illegal_data_address",
    0x03: "illegal_data_value",
    0x04: "server_device_failure",
    0x05: "acknowledge",
    0x06: "server_device_busy",
    0x08: "memory_parity_error",
    0x0A: "gateway_path_unavailable",
    0x0B: "gateway_target_failed_to_respond",
}
"""Names of exception codes (AP, 7)."""

REFUSALS: Final[Mapping[type[PointError], int]] = {
    Unsupported: ILLEGAL_FUNCTION,
    NoSuchPoint: 0x02,
    NotWritable: 0x02,  # AP, 7: not an allowable address for the server, here for this function
    OutOfRange: 0x03,
    Blocked: 0x04,  # the request was good and is not carried out
    Busy: 0x06,
    NoAnswer: GATEWAY_TARGET_FAILED,
}
"""Every refusal in Modbus's own words (AP, 7)."""
assert set(REFUSALS) == set(PointError.__subclasses__()), "a refusal has no exception code"


Submit: TypeAlias = Callable[[Mapping[str, float]], None]
"""Asks the device for changes, maybe none; raises what ``Device.submit`` raises."""
Function: TypeAlias = Callable[[Bank, bytes, Submit], ModbusPDU]


def exception_name(code: int) -> str:
    return EXCEPTIONS.get(code, f"code_{code}")


def exception_code(error: PointError) -> int:
    return next(REFUSALS[kind] for kind in type(error).__mro__ if kind in REFUSALS)


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise OutOfRange(what)


def _words(data: bytes) -> list[int]:
    return [int.from_bytes(data[k : k + 2], "big") for k in range(0, len(data), 2)]


def _count(body: bytes, count_max: int) -> tuple[int, int]:
    _need(len(body) == 4, "a read has an address and a count")
    address, count = _words(body)
    _need(1 <= count <= count_max, f"a count of {count} is not within 1 to {count_max}")
    return address, count


def _write(bank: Bank, address: int, data: bytes, submit: Submit) -> None:
    submit(bank.meaning(address, data))
    bank.keep(address, data)


def _read_coils(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    return ReadCoilsResponse(bits=bank.bits(*_count(body, ReadCoilsRequest.MAX_COUNT), coils=True))


def _read_discrete_inputs(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    bits = bank.bits(*_count(body, ReadCoilsRequest.MAX_COUNT), coils=False)
    return ReadDiscreteInputsResponse(bits=bits)


def _read_holding(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    data = bank.registers(*_count(body, ReadHoldingRegistersRequest.MAX_COUNT))
    return ReadHoldingRegistersResponse(registers=_words(data))


def _read_input(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    data = bank.registers(*_count(body, ReadHoldingRegistersRequest.MAX_COUNT), INPUT)
    return ReadInputRegistersResponse(registers=_words(data))


def _write_coil(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    _need(body[2:] in (b"\x00\x00", b"\xff\x00"), "a coil is FF00 or 0000 (AP, 6.5)")
    request = WriteSingleCoilResponse()
    request.decode(body)
    bits = [bool(bit) for bit in request.bits]
    submit(bank.bits_meaning(request.address, bits))
    return WriteSingleCoilResponse(address=request.address, bits=bits)


def _write_register(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    _need(len(body) == 4, "a write has an address and a value")
    request = WriteSingleRegisterResponse()
    request.decode(body)
    address, data = request.address, body[2:]
    _write(bank, address, data, submit)
    return WriteSingleRegisterResponse(address=address, registers=_words(data))


def _write_coils(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    _need(len(body) >= 5 and len(body) == 5 + body[4], "the byte count does not fit")
    count = int.from_bytes(body[2:4], "big")
    _need(1 <= count <= 1968 and body[4] == (count + 7) // 8, f"a count of {count} coils in {body[4]} bytes")
    request = WriteMultipleCoilsRequest()
    request.decode(body)
    submit(bank.bits_meaning(request.address, [bool(bit) for bit in request.bits]))
    return WriteMultipleCoilsResponse(address=request.address, count=count)


def _write_registers(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    _need(len(body) >= 5 and len(body) == 5 + body[4], "the byte count does not fit")
    request = WriteMultipleRegistersRequest()
    request.decode(body)
    count, data = request.count, body[5:]
    _need(1 <= count <= 123 and len(data) == 2 * count, f"a count of {count} registers in {len(data)} bytes")
    _write(bank, request.address, data, submit)
    return WriteMultipleRegistersResponse(address=request.address, count=count)


def _mask_write(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    _need(len(body) == 6, "a mask write has an address and two masks")
    request = MaskWriteRegisterRequest()
    request.decode(body)
    address, keep = request.address, request.and_mask
    (now,) = _words(bank.registers(address, 1))
    data = ((now & keep) | (request.or_mask & ~keep & 0xFFFF)).to_bytes(2, "big")
    _write(bank, address, data, submit)
    return MaskWriteRegisterResponse(address=address, and_mask=keep, or_mask=request.or_mask)


def _read_write(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    """Write, then read (AP, 6.17); nothing is written if there is nothing to be read."""
    _need(len(body) >= 9 and len(body) == 9 + body[8], "the byte count does not fit")
    read, written = int.from_bytes(body[2:4], "big"), int.from_bytes(body[6:8], "big")
    _need(1 <= read <= 125, f"a count of {read} registers to read")
    _need(1 <= written <= 121 and body[8] == 2 * written, f"a count of {written} registers in {body[8]} bytes")
    request = ReadWriteMultipleRegistersRequest()
    request.decode(body)
    bank.registers(request.read_address, read)
    _write(bank, request.write_address, body[9:], submit)
    return ReadWriteMultipleRegistersResponse(registers=_words(bank.registers(request.read_address, read)))


def _identify(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    """Read device identification, basic and regular, as a stream and by object (AP, 6.21, conformity 82)."""
    if body[:1] != b"\x0e":
        raise Unsupported("of the encapsulated interfaces only 14 is served")
    _need(len(body) == 3, "a device identification request has a code and an object")
    request = ReadDeviceInformationRequest()
    request.decode(body)
    code, wanted, known = request.read_code, request.object_id, bank.identity
    _need(1 <= code <= 4, f"no read code {code}")
    if code == 4:
        if wanted not in known:
            raise NoSuchPoint(f"no object {wanted}")
        chosen = {wanted: known[wanted]}
    else:
        # Beyond our conformity the answer is what there is; an unknown object restarts the stream.
        in_reach = [number for number in known if number <= (2 if code == 1 else 6)]
        first = wanted if wanted in in_reach else 0
        chosen = {number: known[number] for number in in_reach if number >= first}
    response = ReadDeviceInformationResponse(read_code=code, information=chosen)
    response.conformity = 0x82
    return response


FUNCTIONS: Final[Mapping[int, Function]] = {
    0x01: _read_coils,
    0x02: _read_discrete_inputs,
    0x03: _read_holding,
    0x04: _read_input,
    0x05: _write_coil,
    0x06: _write_register,
    0x0F: _write_coils,
    0x10: _write_registers,
    0x16: _mask_write,
    0x17: _read_write,
    0x2B: _identify,
}
"""By function code."""


def _diagnose(bank: Bank, body: bytes, submit: Submit) -> ModbusPDU:
    """Return what was sent (AP, 6.8, sub-function 0); the other sub-functions are not served."""
    _need(len(body) == 4, "a diagnostic has a sub-function and two octets")
    if body[:2] != b"\0\0":
        raise Unsupported(f"no diagnostic {int.from_bytes(body[:2], 'big')}")
    return ReturnQueryDataResponse(message=body[2:])


WRITES: Final = frozenset({0x05, 0x06, 0x0F, 0x10, 0x16, 0x17})
"""Functions that tell a device something."""
ON_A_LINE: Final[Mapping[int, Function]] = {**FUNCTIONS, 0x08: _diagnose}
"""Those of a serial line, which has one more."""
