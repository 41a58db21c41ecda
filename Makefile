.PHONY: vectors vectors-check interop

# Makes the test vectors anew. Signatures and ciphertexts are random, so the files change each time.
vectors:
	swift build -c release --product shadowmesh-vectors
	.build/release/shadowmesh-vectors Tests/Vectors

# Checks them with an implementation that shares no code with this one.
vectors-check:
	test -x .build/vectors-venv/bin/python || python3 -m venv .build/vectors-venv
	.build/vectors-venv/bin/python -m pip install --quiet --requirement Tests/Vectors/requirements.txt
	.build/vectors-venv/bin/python Tests/Vectors/check.py

# A node in Python, written from docs/PROTOCOL.md, meets a real node at a real relay. Needs root.
interop: vectors-check
	swift build -c release --product shadowmesh
	PYTHON=$(CURDIR)/.build/vectors-venv/bin/python Tests/Interop/run.sh
