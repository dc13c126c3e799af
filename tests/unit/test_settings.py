"""The settings: flags, variables, and the errors of invalid ones."""

from __future__ import annotations

from dataclasses import fields

import pytest

from chat.command_line import read_command, read_settings
from chat.settings import Settings, flag, show_default, variable


def test_without_flags_and_variables_the_defaults_count() -> None:
    assert read_settings([], {}) == Settings()
    assert read_settings([], {"PATH": "/bin"}) == Settings()


CHOICES = {
    "port": ("9000", 9000),
    "address": ("0.0.0.0", "0.0.0.0"),
    "base_path": ("/watch/danmaku/", "/watch/danmaku"),
    "database": ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    "rooms": ("demo, music", ("demo", "music")),
    "allowed_origins": (
        "https://example.org,http://localhost:3000",
        ("https://example.org", "http://localhost:3000"),
    ),
    "allowed_hosts": ("Chat.example, [::1]:8888", ("chat.example", "[::1]:8888")),
    "trusted_proxies": ("127.0.0.1,10.0.0.0/8", ("127.0.0.1", "10.0.0.0/8")),
    "certfile": (__file__, __file__),
    "keyfile": (__file__, __file__),
    "keep_days": ("30", 30),
    "secret": (f"{'s' * 32}, {'t' * 32}", ("s" * 32, "t" * 32)),
    "judge_url": ("http://127.0.0.1:9000/judge", "http://127.0.0.1:9000/judge"),
    "judge_secret": ("s" * 32, "s" * 32),
    "judge_failure": ("closed", "closed"),
    "max_viewers": ("100", 100),
    "max_per_address": ("100", 100),
    "post_burst": ("9", 9),
    "post_rate": ("0.5", 0.5),
    "delivery_rate": ("50", 50.0),
    "wave_gap_ms": ("0", 0),
}


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_flag_and_variable_set_the_same_and_the_flag_wins(setting) -> None:
    raw, value = CHOICES[setting.name]
    by_flag = read_settings([flag(setting), raw], {})
    by_variable = read_settings([], {variable(setting): raw})
    assert getattr(by_flag, setting.name) == value == getattr(by_variable, setting.name)
    assert by_flag == by_variable
    assert read_settings([f"{flag(setting)}={raw}"], {variable(setting): "nonsense"}) == by_flag


BAD_VALUES = [
    ("port", "http"),
    ("port", "-1"),
    ("port", "65536"),
    ("port", "80.5"),
    ("address", "example.org"),
    ("address", "127.0.0"),
    ("base_path", "danmaku"),
    ("base_path", "//danmaku"),
    ("base_path", "/.."),
    ("base_path", "/a/../b"),
    ("base_path", '/a"b'),
    ("base_path", "/a?b"),
    ("base_path", "https://example.org/danmaku"),
    ("database", "danmaku.db"),
    ("database", "sqlite:///"),
    ("database", "mysql://localhost/a"),
    ("rooms", "Demo"),
    ("rooms", "demo,a b"),
    ("allowed_origins", "example.org"),
    ("allowed_origins", "https://example.org/"),
    ("allowed_origins", "https://"),
    ("allowed_origins", "http://["),
    ("allowed_origins", "*"),
    ("allowed_hosts", "*"),
    ("allowed_hosts", "https://chat.example"),
    ("allowed_hosts", "chat.example/"),
    ("trusted_proxies", "proxy.example"),
    ("trusted_proxies", "10.0.0.1/8"),
    ("trusted_proxies", "10.0.0.0/33"),
    ("max_viewers", "0"),
    ("max_viewers", "many"),
    ("post_burst", "0"),
    ("certfile", "missing.pem"),
    ("keyfile", "missing.pem"),
    ("delivery_rate", "-1"),
    ("post_rate", "-1"),
    ("post_rate", "nan"),
    ("post_rate", "inf"),
    ("wave_gap_ms", "1001"),
    ("wave_gap_ms", "40ms"),
]


@pytest.mark.parametrize(("name", "raw"), BAD_VALUES)
@pytest.mark.parametrize("by_flag", [True, False], ids=["flag", "variable"])
def test_bad_value_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], name: str, raw: str, by_flag: bool
) -> None:
    (setting,) = (setting for setting in fields(Settings) if setting.name == name)
    where = flag(setting) if by_flag else variable(setting)
    with pytest.raises(SystemExit) as ended:
        read_settings(*(([f"{where}={raw}"], {}) if by_flag else ([], {where: raw})))
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert where in printed
    assert repr(raw) in printed
    assert printed.count("\n") == 1
    assert printed.endswith(".\n")


@pytest.mark.parametrize("arguments", [["--port"], ["demo"], ["backup", "a.db", "b.db"]])
def test_command_line_that_is_wrong_is_one_sentence_and_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(arguments, {})
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert "danmaku --help" in printed


def test_help_lists_every_flag_with_its_default_within_80_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(["--help"], {})
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    flowing = " ".join(printed.split())
    for setting in fields(Settings):
        assert f"{flag(setting)} {setting.metadata['value']}" in flowing
        sentence = f"{setting.metadata['help']} (default: {show_default(setting)})"
        assert " ".join(sentence.split()) in flowing


def test_secret_that_is_too_short_is_refused_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings([], {"DANMAKU_SECRET": "hunter2"})
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "DANMAKU_SECRET" in printed
    assert "32 bytes" in printed
    assert "hunter2" not in printed


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_empty_value_means_the_default_as_flag_and_as_variable(setting) -> None:
    raw, _ = CHOICES[setting.name]
    assert read_settings([], {variable(setting): ""}) == Settings()
    assert read_settings([flag(setting), ""], {}) == Settings()
    assert read_settings([f"{flag(setting)}="], {variable(setting): raw}) == Settings()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--prot 9000", "--prot is not a flag; did you mean --port?"),
        ("--por 9000", "--por is not a flag; did you mean --port?"),
        ("--prot=9000", "--prot is not a flag; did you mean --port?"),
        ("--port 1 --databse x", "--databse is not a flag; did you mean --database?"),
        ("room --prot 9000 demo", "--prot is not a flag; did you mean --port?"),
        ("room demo --titel x", "--titel is not a flag; did you mean --title?"),
        ("--colour red", "--colour is not a flag; see danmaku --help."),
        ("-p 9000", "-p is not a flag; see danmaku --help."),
        ("--title Friday", "--title belongs to a command: danmaku room NAME --title …"),
        ("bakcup copy.db", "'bakcup' is not a command; did you mean backup?"),
        ("--port 1 9000", "'9000' is not a command; see danmaku --help."),
    ],
)
def test_unknown_flag_or_command_is_named_and_not_the_word_behind_it(
    capsys: pytest.CaptureFixture[str], arguments: str, sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(arguments.split(), {})
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"danmaku: {sentence}\n"


def test_value_may_look_like_a_flag_or_a_command() -> None:
    assert read_command(["--database", "sqlite:///room", "room", "demo"], {}).name == "room"
    assert read_command(["room", "demo", "--delay", "-1"], {}).options["delay"] == "-1"
    assert read_command(["room", "demo", "--title=--prot"], {}).options["title"] == "--prot"


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("DANMAKU_PROT", "did you mean DANMAKU_PORT?"),
        ("DANMAKU_MAXVIEWERS", "did you mean DANMAKU_MAX_VIEWERS?"),
        ("DANMAKU_ALLOWED_ORIGIN", "did you mean DANMAKU_ALLOWED_ORIGINS?"),
        ("DANMAKU_", "see danmaku --help."),
        ("DANMAKU_COLOUR", "see danmaku --help."),
    ],
)
def test_variable_that_is_no_setting_is_named_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], given: str, advice: str
) -> None:
    assert read_settings([], {given: "9000"}) == Settings()
    printed = capsys.readouterr().err
    assert printed == f"danmaku: {given} is not a setting and is ignored; {advice}\n"


def test_variables_of_others_and_those_that_are_right_or_empty_are_passed_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    environment = {variable(setting): CHOICES[setting.name][0] for setting in fields(Settings)}
    read_settings([], {**environment, "PATH": "/bin", "DANMAKUPORT": "1", "DANMAKU_PROT": ""})
    assert capsys.readouterr().err == ""
