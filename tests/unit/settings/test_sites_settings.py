from __future__ import annotations

from pathlib import Path

import pytest

from zdda.model.errors import InvalidInput
from zdda.model.placement import EVERYWHERE, Copies, Placement, strictest
from zdda.settings import Settings, SettingsInvalid, load

SITES = """
[[sites]]
name = "praha"
directory = "one"
[sites.records]
kind = "folder"
directory = "records-one"

[[sites]]
name = "brno"
kind = "s3"
s3.endpoint = "https://brno.example"
s3.bucket = "archive"
s3.access_key = "a"
s3.secret_key = "hidden"
"""
DATABASES = """
[[sites]]
name = "praha"
records.kind = "database"

[[sites]]
name = "brno"
directory = "brno"
records.kind = "database"
"""
CLASS = '[[retention]]\nname = "medical-record"\nyears = 5\n'


def loaded(folder: Path, text: str) -> Settings:
    (folder / "zdda.toml").write_text(text, encoding="utf-8")
    return load(folder / "zdda.toml")


def test_one_store_is_the_one_site(tmp_path: Path) -> None:
    settings = loaded(tmp_path, '[store]\ndirectory = "objects"\n')
    (site,) = settings.each_site()
    assert (site.name, site.kind, site.directory, site.records.kind) == ("main", "filesystem", Path("objects"), "none")
    assert settings.site("main") == site


def test_several_sites(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SITES + CLASS + 'copies = "one"\nstores = ["praha", "brno"]\n')
    assert [site.name for site in settings.each_site()] == ["praha", "brno"]
    assert settings.site("brno").s3.bucket == "archive"
    assert settings.retention[0].retention_class().placement == Placement(("praha", "brno"), Copies.ONE)
    assert "hidden" not in repr(settings)
    with pytest.raises(InvalidInput, match="no store named main: praha, brno"):
        settings.site("main")


def test_a_sites_own_place_of_records_counts(tmp_path: Path) -> None:
    areas = '[keys]\nkey_areas = ["one"]\n'
    assert loaded(tmp_path, areas + SITES).keys.key_areas == (Path("one"),)
    with pytest.raises(SettingsInvalid, match=r"keys.key_areas: .* two places"):
        loaded(tmp_path, areas + SITES + CLASS + 'stores = ["brno"]\n')  # which has none


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (SITES.replace("brno", "praha"), "sites: a site is named twice"),
        (SITES + '[store]\ndirectory = "x"\n', "either"),
        (SITES.replace('"brno"', '"Brno"'), "sites.1.name"),
        (SITES.replace('"archive"', '""'), "s3.bucket"),
        (SITES + '[sites.records]\nkind = "bucket"\n', "records of kind bucket need"),
        (SITES + '[sites.records]\nkind = "folder"\ndirectory = "records-one"\n', "records in one place"),
        (DATABASES, "records in one place"),
        (SITES + CLASS + 'stores = ["ostrava"]\n', "medical-record names sites that there are not: ostrava"),
        (SITES + CLASS + 'copies = "two"\n', "retention.0.copies"),
    ],
)
def test_sites_that_make_no_sense(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=why):
        loaded(tmp_path, text)


def test_what_serves_several_classes_lies_where_any_of_them_lies() -> None:
    one, both = Placement(("praha",), Copies.ONE), Placement(("praha", "brno"), Copies.ALL)
    assert strictest([one, both]) == Placement(("brno", "praha"), Copies.ALL)
    assert strictest([one, Placement((), Copies.ONE)]) == Placement((), Copies.ONE)
    assert strictest([]) == EVERYWHERE
    assert both.among(["brno", "ostrava", "praha"]) == ("brno", "praha")
    assert EVERYWHERE.among(["brno", "praha"]) == ("brno", "praha")


def test_the_environment_sets_keys_of_one_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDDA_SITES__BRNO__S3__SECRET_KEY", "hidden-2")
    monkeypatch.setenv("ZDDA_SITES__BRNO__S3__CONNECT_SECONDS", "2.5")
    monkeypatch.setenv("ZDDA_SITES__PRAHA__DIRECTORY", "elsewhere")
    monkeypatch.setenv("ZDDA_SITES__PRAHA__RECORDS__DIRECTORY", "elsewhere-too")
    praha, brno = loaded(tmp_path, SITES).each_site()
    assert (brno.s3.secret_key.get_secret_value(), brno.s3.connect_seconds, brno.s3.bucket) == (
        "hidden-2",
        2.5,
        "archive",
    )
    assert (praha.directory, praha.records.directory) == (Path("elsewhere"), Path("elsewhere-too"))


def test_the_secrets_of_a_site_need_not_stand_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = SITES.replace('s3.secret_key = "hidden"\n', "").replace('"brno"', '"brno-2"')
    with pytest.raises(SettingsInvalid, match=r"s3\.secret_key"):
        loaded(tmp_path, without)
    monkeypatch.setenv("ZDDA_SITES__BRNO_2__S3__SECRET_KEY", "hidden")
    assert loaded(tmp_path, without).site("brno-2").s3.secret_key.get_secret_value() == "hidden"


@pytest.mark.parametrize(
    "name", ["OSTRAVA__DIRECTORY", "BRNO", "BRNO__KIND__X", "BRNO__S3__SECRET", "BRNO__SECRET_KEY", "BRNO__"]
)
def test_what_the_environment_says_of_no_sites_key_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ZDDA_SITES__{name}", "hidden")
    with pytest.raises(SettingsInvalid) as caught:
        loaded(tmp_path, SITES)
    assert "hidden" not in str(caught.value)


def test_all_sites_may_stand_in_one_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDDA_SITES", '[{"name": "praha"}]')
    assert [site.name for site in loaded(tmp_path, SITES).each_site()] == ["praha"]
