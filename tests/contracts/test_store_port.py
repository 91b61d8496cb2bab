"""The store is the port's, to the letter."""

import inspect

from ops_pipeline import ports
from ops_pipeline.adapters.store.store import SqlStore


def test_every_method_of_the_port_is_there_with_its_signature():
    for protocol in ports.Store.__mro__:
        for name, member in vars(protocol).items():
            if name.startswith("_") or protocol.__module__ != ports.__name__:
                continue
            assert hasattr(SqlStore, name), name
            if inspect.isfunction(member):
                assert inspect.signature(getattr(SqlStore, name)) == inspect.signature(member), name
