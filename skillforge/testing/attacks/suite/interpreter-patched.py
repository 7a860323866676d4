# expect: ok|error
# state: kept
# what: replaces the functions and modules that an interpreter's own loop may use
import builtins
import codecs
import io
import json
import os
import posix
import pickle
import signal
import socket
import struct
import sys
import threading
import traceback


def nothing(*_, **__):
    return None


for module in (os, posix, json, pickle, socket, struct, signal, threading, traceback, io, codecs):
    for name in dir(module):
        if not name.startswith("__") and callable(getattr(module, name)):
            try:
                setattr(module, name, nothing)
            except (TypeError, AttributeError):
                pass
for name in ("compile", "exec", "eval", "open", "repr", "len", "isinstance", "type", "input", "__import__"):
    setattr(builtins, name, nothing)
sys.modules.clear()
