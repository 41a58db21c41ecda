"""Key files of version 3 (Web3 Secret Storage), made from a seed and read back by eth-account."""

from __future__ import annotations

import hashlib
import uuid
from random import Random

from Crypto.Cipher import AES
from Crypto.Util import Counter
from eth_account import Account
from eth_keys import keys
from eth_utils import keccak

from chain.encoding import Json

PASSPHRASES = (
    "testpassword",
    "",
    "correct horse battery staple",
    "Zürich 日本 🔑",
    "p" * 200,
    " spaces ",
    "tab\tand\nline",
)
# Small, so that tests are quick: what is tested is the format. One is what geth writes for everybody ("light").
SCRYPTS = ((2, 8, 1), (1024, 8, 1), (1024, 1, 8), (4096, 8, 6))
PBKDF2_COUNTS = (1, 2, 1000, 10_240)


def derive(random: Random, passphrase: str, index: int) -> tuple[str, Json, bytes]:
    """The name of a key derivation, its parameters, and the 32 bytes it gives."""
    salt = random.randbytes(random.choice((16, 32)))
    secret = passphrase.encode()
    if index % 2:
        count = PBKDF2_COUNTS[index // 2 % len(PBKDF2_COUNTS)]
        parameters = {"c": count, "dklen": 32, "prf": "hmac-sha256", "salt": salt.hex()}
        return "pbkdf2", parameters, hashlib.pbkdf2_hmac("sha256", secret, salt, count, 32)
    n, r, p = SCRYPTS[index // 2 % len(SCRYPTS)]
    derived = hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, dklen=32, maxmem=64 * 2**20)
    return "scrypt", {"dklen": 32, "n": n, "p": p, "r": r, "salt": salt.hex()}, derived


def keystore(random: Random, key: bytes, passphrase: str, index: int) -> Json:
    """A key file."""
    name, parameters, derived = derive(random, passphrase, index)
    vector = random.randbytes(16)
    counter = Counter.new(128, initial_value=int.from_bytes(vector, "big"))
    ciphertext = AES.new(derived[:16], AES.MODE_CTR, counter=counter).encrypt(key)
    return {
        "address": keys.PrivateKey(key).public_key.to_canonical_address().hex(),
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": vector.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": name,
            "kdfparams": parameters,
            "mac": keccak(derived[16:32] + ciphertext).hex(),
        },
        "id": str(uuid.UUID(bytes=random.randbytes(16), version=4)),
        "version": 3,
    }


def keystore_vectors(random: Random, count: int) -> Json:
    """Key files with passphrases and keys; and files that must be refused, with the passphrase that is tried."""
    accepted, refused = [], []
    for index in range(count):
        key = random.randbytes(32)
        passphrase = PASSPHRASES[index % len(PASSPHRASES)]
        file = keystore(random, key, passphrase, index)
        if bytes(Account.decrypt(file, passphrase)) != key:
            raise AssertionError(f"eth-account reads another key: {file}")
        accepted.append({"passphrase": passphrase, "key": key.hex(), "keystore": file})
    for index, entry in enumerate(accepted[: max(4, count // 4)]):
        file = entry["keystore"]
        spoiled = dict(file["crypto"], ciphertext=bytes(32).hex())
        refused.append({"reason": "wrong passphrase", "passphrase": f"not the one {index}", "keystore": file})
        refused.append({"reason": "altered", "passphrase": entry["passphrase"], "keystore": file | {"crypto": spoiled}})
    for entry in refused:
        try:
            Account.decrypt(entry["keystore"], entry["passphrase"])
        except ValueError:
            continue
        raise AssertionError(f"accepted: {entry}")
    return {"accepted": accepted, "refused": refused}
