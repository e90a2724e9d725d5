"""Codecs for Cairo contracts, compiled from their ABI; the JSON files here are the ABIs of Truemark's own contracts."""

from truemark.abi.contract_abi import Abi, Function
from truemark.abi.values import AbiError, DecodedCall, DecodedEvent, EnumValue

__all__ = ["Abi", "AbiError", "DecodedCall", "DecodedEvent", "EnumValue", "Function"]
