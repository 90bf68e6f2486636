"""The pages show the numbers of the endpoint, in two languages, and hide nothing that went wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import shutil
from datetime import date, timedelta
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from sqlalchemy import select

from features.snapshots import Snapshot
from serving.champion import Champion
from serving.database import LookupRow
from serving.entities import entity_facts, find_entities
from serving.lookups import Asker
from serving.reply import ScoreReply
from serving.request import ScoreItem
from serving.scoring import Scorer
from serving.sentences import signed
from serving.site import create_site
from serving.tables import reason_table
from serving.wording import words
from training.audits import audit_folder
from training.expert_card import CutPoints
from training.vetoes import Veto


class Client:
    """Ask an application without a server."""

    def __init__(self, application):
        self.transport = httpx.ASGITransport(application)

    def get(self, path, **options):
        """Return the answer to one request."""

        async def ask():
            async with httpx.AsyncClient(transport=self.transport, base_url="http://testserver") as client:
                return await client.get(path, **options)

        return asyncio.run(ask())


@pytest.fixture
def scorer(graded_city):
    return Scorer(graded_city.city, graded_city.settings)


@pytest.fixture
def client(scorer):
    return Client(create_site(lambda: scorer))


def last_lookup(scorer):
    with scorer.engine.connect() as connection:
        query = select(LookupRow.__table__).order_by(LookupRow.id.desc())
        return connection.execute(query).mappings().first()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_shows_the_numbers_and_sentences_of_the_endpoint(client, scorer, language):
    reply = scorer.score([ScoreItem("E07")], Asker("test", "", ""))[0]

    page = client.get(f"/entities/E07?lang={language}").text

    assert f'<p class="points">{reply["points"]:,.1f}</p>' in page
    assert f"{reply['probability']:.1%}" in page
    assert f"{reply['expert_points']:,.1f}" in page
    for contribution in reply["contributions"]:
        assert contribution[f"sentence_{language}"].replace("'", "&#39;") in page
        for part in ("expert", "learned", "total"):
            assert f">{signed(contribution[part])}</td>" in page
    for version in ("model_version", "catalogue_hash", "snapshot_id"):
        assert reply[version] in page
    assert words(language)["internal_note"] in page


def test_contributions_stand_in_falling_order(client):
    page = client.get("/entities/E07?lang=en").text

    totals = re.findall(r'sum-total">([+−\d.,]+)</td>', page)[1:19]
    sizes = [abs(float(t.replace("−", "-").replace(",", ""))) for t in totals]
    assert len(sizes) == 18
    assert sizes == sorted(sizes, reverse=True)


def test_the_page_says_its_language_and_offers_the_other(client):
    chinese, english = client.get("/entities/E07"), client.get("/entities/E07?lang=en&why=x")

    assert '<html lang="zh-CN">' in chinese.text
    assert 'href="/entities/E07?lang=en"' in chinese.text
    assert '<html lang="en">' in english.text
    assert 'href="/entities/E07?lang=zh&amp;why=x"' in english.text


def test_a_missing_value_is_said_to_be_missing(client):
    assert "无记录（按中性分计）" in client.get("/entities/E07?lang=zh").text
    assert "not known (neutral points)" in client.get("/entities/E07?lang=en").text


def test_another_date_can_be_chosen(client):
    page = client.get("/entities/E07?as_of=2020-05-01").text

    assert "<option selected>2020-05-01</option>" in page
    assert "<option>2020-12-31</option>" in page


def test_a_name_with_signs_of_html_stays_text(client):
    page = client.get("/entities/E59").text

    assert "&lt;b&gt;酒楼&lt;/b&gt; &amp; Sons" in page
    assert "<b>" not in page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_unknown_entity_has_a_page_of_its_own_and_the_look_up_is_kept(client, scorer, language):
    answer = client.get(f"/entities/%3Cscript%3E?lang={language}")

    assert answer.status_code == 404
    assert words(language)["unknown_entity_title"] in answer.text
    assert "<script>" not in answer.text
    assert last_lookup(scorer)["entity_id"] == "<script>"


def test_a_date_without_a_snapshot_is_a_404_that_names_the_dates(client):
    answer = client.get("/entities/E07?as_of=2020-06-01")

    assert answer.status_code == 404
    assert "2020-05-01, 2020-12-31" in answer.text


def test_a_date_that_is_none_is_a_422(client):
    assert client.get("/entities/E07?as_of=yesterday").status_code == 422


def test_a_look_up_is_kept_with_who_and_why(client, scorer):
    client.get("/entities/E07?why=复核", headers={"X-Qianfen-User": "%E5%BC%A0%E4%B8%89"})

    row = last_lookup(scorer)
    assert (row["who"], row["why"], row["what"], row["entity_id"]) == ("张三", "复核", "GET /entities", "E07")


def test_home_shows_the_shares_of_the_grades(client, graded_city):
    page = client.get("/?lang=en").text

    assert "<strong>60</strong> entities graded" in page
    for n in graded_city.grading.grade_counts.values():
        assert f'<td class="n">{n}</td>' in page
        assert f'<td class="n">{n / 60:.1%}</td>' in page


def test_entities_are_found_by_name_and_by_the_beginning_of_their_code(client):
    by_name, by_code = client.get("/?q=第7餐馆").text, client.get("/?q=E0").text

    assert re.findall(r'href="/entities/(\w+)"', by_name) == ["E07"]
    assert len(re.findall(r'href="/entities/(\w+)"', by_code)) == 10


def test_only_the_latest_state_of_an_entity_is_found(write_records, settings, graded_city):
    day = date(2020, 1, 1)
    rows = [
        {"entity_id": "A", "name": "旧名", "event_date": day, "known_at": day},
        {"entity_id": "A", "name": "新名", "event_date": day, "known_at": day + timedelta(days=1)},
        {"entity_id": "B", "name": "旧名", "event_date": day, "known_at": day},
        {"entity_id": "B", "name": "旧名", "status": "revoked", "event_date": day, "known_at": day + timedelta(days=1)},
        {"entity_id": "C", "name": "旧名", "event_date": day, "known_at": date(2021, 1, 1)},
    ]
    records = write_records(entities=rows)
    manifest = {**graded_city.snapshot.manifest, "records_id": "r1"}
    home = settings.var / "cities" / "toy" / "records"
    home.mkdir(parents=True)
    (home / "r1").symlink_to(records.folder)

    snapshot = Snapshot(graded_city.snapshot.folder, manifest)

    assert find_entities(settings, snapshot, "旧名") == []
    assert [f.entity_id for f in find_entities(settings, snapshot, "新名")] == ["A"]
    assert entity_facts(settings, snapshot, ["B", "C"])["B"].status == "revoked"


def test_signs_of_sql_in_a_search_are_only_text(client):
    assert "没有符合条件的在营主体" in client.get("/", params={"q": "%' OR 1=1 --"}).text


def test_before_the_first_grading_the_pages_say_so_with_503(graded_city, tmp_path):
    settings = dataclasses.replace(graded_city.settings, var=tmp_path, database_url=f"sqlite:///{tmp_path}/q.db")
    empty = Scorer(graded_city.city, settings)
    client = Client(create_site(lambda: empty))

    for path in ("/", "/entities/E07"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert "尚未分级" in answer.text


@pytest.mark.parametrize(("language", "said"), [("zh", "业务数据库没有应答"), ("en", "database does not answer")])
def test_where_the_database_does_not_answer_the_pages_say_so_with_503(graded_city, language, said):
    # Nobody listens at the first port.
    settings = dataclasses.replace(graded_city.settings, database_url="postgresql://qianfen@127.0.0.1:1/none")
    away = Scorer(graded_city.city, settings)

    answer = Client(create_site(lambda: away)).get(f"/entities/E07?lang={language}")

    assert answer.status_code == 503
    assert said in answer.text
    assert not away.is_ready()


def test_pages_are_not_kept_by_caches_and_load_nothing_from_elsewhere(client):
    answer = client.get("/entities/E07")

    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in answer.text.replace("http://testserver", "")
    assert "https://" not in answer.text


def test_every_word_is_there_in_both_languages():
    assert words("zh").keys() == words("en").keys()
    assert all(words(language)[key] for language in ("zh", "en") for key in words("zh"))


def test_the_style_sheet_is_served(client):
    assert client.get("/static/site.css").status_code == 200


def test_where_the_champion_is_another_since_the_grading_the_list_says_so(graded_city):
    scorer = Scorer(graded_city.city, graded_city.settings)
    assert "champion is another" not in Client(create_site(lambda: scorer)).get("/?lang=en").text
    model = dataclasses.replace(graded_city.model, manifest={**graded_city.model.manifest, "model_version": "newer"})
    champion = Champion.of(scorer.city, model)
    scorer._champion = SimpleNamespace(get=lambda: champion)

    page = Client(create_site(lambda: scorer)).get("/?lang=en").text

    assert f"These grades are by model {graded_city.model.model_version}. The champion is another since, newer," in page


def test_the_list_shows_the_grades_of_the_grading_and_nothing_of_a_champion_that_did_not_grade(graded_city):
    counts = graded_city.grading.grade_counts
    scorer = Scorer(graded_city.city, graded_city.settings)
    own = Client(create_site(lambda: scorer)).get("/?lang=en").text
    begins = [f'<td class="n">{round(points)}</td>' for points in graded_city.model.cut_points.from_points]
    # A newer champion that has fewer grades, which begin elsewhere.
    cut_points = CutPoints(("A", "B"), (0.0, 987.0), "2021-01-01", "test")
    manifest = {**graded_city.model.manifest, "model_version": "newer"}
    champion = Champion.of(
        scorer.city, dataclasses.replace(graded_city.model, manifest=manifest, cut_points=cut_points)
    )
    scorer._champion = SimpleNamespace(get=lambda: champion)

    page = Client(create_site(lambda: scorer)).get("/?lang=en").text

    assert all(begin in own for begin in begins)
    assert "/model/card" in own
    assert re.findall(r'<span class="grade grade-(\w)">', page) == list(counts)
    assert page.count('<td class="n">—</td>') == len(counts)
    assert "987" not in page
    assert "/model/card" not in page
    assert graded_city.model.model_version in page[page.index('<p class="versions">') :]


VETO = Veto("fined", "penalties", 0.01, "D", "有行政处罚", "it was fined", "2026-01-01", "test")


class VetoedScorer(Scorer):
    """A scorer whose champion never grades better than D whoever was fined."""

    @property
    def champion(self):
        model = dataclasses.replace(super().champion.model, declared_vetoes=(VETO,))
        return Champion.of(self.city, model)


@pytest.fixture
def vetoed(graded_city):
    return VetoedScorer(graded_city.city, graded_city.settings)


def test_a_reply_says_what_holds_the_grade_and_leaves_the_sum_alone(scorer, vetoed):
    (plain,), (held,) = (s.score([ScoreItem("E07")], Asker("test", "", "")) for s in (scorer, vetoed))

    assert (held["grade"], held["expert_grade"]) == ("D", "D")
    assert held["veto"]["grade_by_points"] == plain["grade"] != "D"
    assert held["veto"]["sentence_zh"].startswith("有行政处罚，等级不得优于 D 级；仅按分数为")
    assert held["veto"]["sentence_en"].startswith("It was fined. Its grade is then never better than D")
    assert plain["veto"] is None
    assert {k: v for k, v in held.items() if k not in ("grade", "expert_grade", "veto")} == {
        k: v for k, v in plain.items() if k not in ("grade", "expert_grade", "veto")
    }
    assert ScoreReply.model_validate(held).veto.best_grade == "D"
    assert held["veto"]["sentence_en"] in reason_table(held, "en")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_shows_the_veto_outside_the_sum_and_no_way_past_it(vetoed, language):
    reply = vetoed.score([ScoreItem("E07")], Asker("test", "", ""))[0]

    page = Client(create_site(lambda: vetoed)).get(f"/entities/E07?lang={language}").text

    assert page.count(reply["veto"][f"sentence_{language}"]) == 1
    in_sum = page[page.index('<table class="sum"') : page.index("</table>")]
    assert words(language)["veto_after_sum"].format("D") in in_sum
    assert reply["veto"][f"sentence_{language}"] not in in_sum
    stands = {
        "zh": "只要有行政处罚，等级就不会优于 D 级",
        "en": "As long as it was fined, its grade is never better than D",
    }
    assert stands[language] in page
    assert '<ol class="ways">' not in page


class ChangedScorer(Scorer):
    """A scorer whose champion is the city's with something declared otherwise."""

    def __init__(self, city, settings, declared):
        super().__init__(city, settings)
        self.declared = declared

    @property
    def champion(self):
        return Champion.of(self.city, dataclasses.replace(super().champion.model, **self.declared))


def changed_page(graded_city, language, **declared):
    """Return the reply and the page of E07 by a champion that declares otherwise."""
    changed = ChangedScorer(graded_city.city, graded_city.settings, declared)
    reply = changed.score([ScoreItem("E07")], Asker("test", "", ""))[0]
    page = Client(create_site(lambda: changed)).get(f"/entities/E07?lang={language}").text
    return reply, page


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_card_that_is_graded_by_cut_points_of_its_own_shows_them_on_a_bar_of_its_own(graded_city, language):
    own = CutPoints(("A", "B", "C", "D"), (0.0, 11.0, 222.0, 963.0), "2026-01-01", "test")

    plain, changed = (
        changed_page(graded_city, language, expert_cut_points=cut_points)[1] for cut_points in (None, own)
    )

    said = words(language)["card_own_cut_points"].replace("'", "&#39;")
    assert said in changed
    assert all(f"≥ {begins}</li>" in changed for begins in (11, 222, 963))
    assert changed.count('class="expert-pointer"') == plain.count('class="expert-pointer"') == 1
    assert said not in plain


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_veto_that_holds_the_grade_of_the_card_alone_is_told_with_what_its_points_would_give(graded_city, language):
    # The model's points give D already, whatever the veto says.
    model = graded_city.model
    worst = dataclasses.replace(model.cut_points, from_points=(0.0, 1e-3, 2e-3, 3e-3))

    reply, page = changed_page(
        graded_city, language, declared_vetoes=(VETO,), cut_points=worst, expert_cut_points=model.cut_points
    )

    by_points = str(model.cut_points.grade(np.array([reply["expert_points"]]))[0])
    assert (reply["grade"], reply["veto"], reply["expert_grade"]) == ("D", None, "D")
    assert by_points != "D"
    assert words(language)["card_held"].format(by_points) in page
    assert words(language)["card_veto"].replace("'", "&#39;") in page
    assert VETO.reason_zh in page if language == "zh" else "It was fined." in page


def test_a_page_stands_on_one_grading_whatever_is_put_in_force_meanwhile(graded_city, monkeypatch):
    scorer = Scorer(graded_city.city, graded_city.settings)
    asked = []
    grading = scorer.grading
    monkeypatch.setattr(scorer, "grading", lambda: asked.append(1) or grading())
    site = Client(create_site(lambda: scorer))

    for path in ("/entities/E07", "/entities/E07?as_of=2020-05-01", "/?q=E07"):
        asked.clear()
        assert site.get(path).status_code == 200
        assert len(asked) == 1, path


@pytest.fixture
def card_folder(graded_city):
    """Where the champion's card lies, for as long as a test runs."""
    folder = audit_folder(graded_city.city, graded_city.settings, graded_city.model.model_version)
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


def linked_card(page):
    """The address of the card in a page's footer."""
    return re.search(r'<a href="([^"]+)"><code>', page)[1]


@pytest.mark.parametrize("path", ["/?lang=en", "/entities/E07?lang=en"])
def test_the_footer_leads_to_the_card_of_the_champion_in_the_language_of_the_page(client, card_folder, path):
    (card_folder / "card.en.html").write_text("<p>The card</p>", encoding="utf-8")

    answer = client.get(linked_card(client.get(path).text))

    assert (answer.status_code, answer.text) == (200, "<p>The card</p>")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_card_that_was_not_written_is_told_with_the_command_that_writes_it(client):
    answer = client.get("/model/card.en.html?lang=en")

    assert answer.status_code == 404
    assert "Run <code>qianfen model-card toy</code>." in answer.text


@pytest.mark.parametrize("name", ["audit.json", "..%2Fchampion.json", "card.fr.html"])
def test_nothing_else_of_the_folder_is_shown(client, card_folder, name):
    (card_folder / "audit.json").write_text("{}", encoding="utf-8")

    assert client.get(f"/model/{name}").status_code == 404
