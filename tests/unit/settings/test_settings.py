from __future__ import annotations

import os
from pathlib import Path

import pytest

from zdda.model.retention import DisposalMark, OnVerdict
from zdda.settings import Settings, SettingsInvalid, as_text, load

CLASS = '[[retention]]\nname = "medical-record"\nyears = 5\n'


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ZDDA_")]:
        monkeypatch.delenv(name)


def loaded(folder: Path, text: str) -> Settings:
    file = folder / "zdda.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == Settings()
    assert Settings().environment == "production"


def test_the_environment_wins_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDDA_LISTEN__PORT", "9443")
    monkeypatch.setenv("ZDDA_LOG__LEVEL", "debug")
    monkeypatch.setenv("ZDDA_TRUST__SEAL", '["a.pem", "b.pem"]')
    settings = loaded(tmp_path, '[listen]\nhost = "0.0.0.0"\nport = 1\n')
    assert (settings.listen.host, settings.listen.port, settings.log.level) == ("0.0.0.0", 9443, "debug")
    assert settings.trust.seal == (Path("a.pem"), Path("b.pem"))


def test_a_retention_class(tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, CLASS + 'mark = "V"\nno_signature = "reject"\n').retention
    found = one.retention_class()
    assert (found.name, found.mark, found.years) == ("medical-record", DisposalMark.V, 5)
    assert (found.intake.total_failed, found.intake.no_signature) == (OnVerdict.REJECT, OnVerdict.REJECT)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("spool = 1", "spool"),
        ("unknown = 1", "unknown"),
        ("[listen]\nprot = 1", "listen.prot"),
        ("[listen]\nport = 70000", "listen.port"),
        ('[archive]\ntenant = "Not a tenant"', "archive.tenant"),
        ('[keys]\nkey_areas = ["one"]', "keys.key_areas"),
        (CLASS + CLASS, "retention"),
        (CLASS + 'total_failed = "shrug"', "retention.0.total_failed"),
        ("[[evidence.authorities]]\npassword = 'x'", "evidence.authorities.0.url"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, key: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"{key.replace('.', '[.]')}:"):
        loaded(tmp_path, text)


@pytest.mark.parametrize("text", ["no toml", "a = 1\na = 2", "a = '\udcff"])
def test_what_is_no_toml(tmp_path: Path, text: str) -> None:
    (tmp_path / "zdda.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsInvalid, match=r"zdda\.toml"):
        load(tmp_path / "zdda.toml")


@pytest.mark.parametrize("name", ["ZDDA_UNKNOWN", "ZDDA_LISTEN__PROT", "ZDDA_LISTEN_PORT", "ZDDA_"])
def test_unknown_variables_are_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsInvalid):
        loaded(tmp_path, "")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="zdda init"):
        load(tmp_path / "zdda.toml")


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    text = (
        '[database]\nurl = "postgresql://zdda:hidden-1@db/zdda"\n'
        '[[evidence.authorities]]\nurl = "https://tsa.example"\nusername = "kis"\npassword = "hidden-2"\n'
    )
    settings = loaded(tmp_path, text)
    assert "hidden" not in str(as_text(settings)) + repr(settings)
    assert settings.evidence.authorities[0].password is not None
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, text + "\n[log]\nlevel = 'hidden-3'\n" + "[listen]\nport = 'hidden-4'\n")
    assert "hidden" not in str(caught.value)


TOKEN = '[keys.seal_token]\nmodule = "/usr/lib/p11.so"\ntoken = "archive"\nkey = "seal"\n'


def test_a_key_in_a_token_whose_pin_is_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().keys.seal_token is None
    monkeypatch.setenv("ZDDA_KEYS__SEAL_TOKEN__PIN", "hidden-5")
    settings = loaded(tmp_path, TOKEN)
    held = settings.keys.seal_token
    assert held is not None
    assert held.pin is not None
    assert (held.pin.get_secret_value(), held.token, held.pss) == ("hidden-5", "archive", False)
    assert "hidden" not in str(as_text(settings)) + repr(settings)


@pytest.mark.parametrize("pin", ["", 'pin = "hidden-6"\npin_file = "pin"\n'], ids=["none", "two"])
def test_a_token_has_one_pin(tmp_path: Path, pin: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"keys.seal_token: .*pin_file") as caught:
        loaded(tmp_path, TOKEN + pin)
    assert "hidden" not in str(caught.value)
    with pytest.raises(SettingsInvalid, match="absolute"):
        loaded(tmp_path, TOKEN.replace("/usr", "usr") + 'pin_file = "pin"\n')


def test_every_key_says_what_it_is() -> None:
    for section in Settings.model_fields.values():
        fields = getattr(section.annotation, "model_fields", {})
        assert all(field.description for field in fields.values()), section
