-- The 18 indicators of docs/indicators.md in one DuckDB statement, as an analyst writes it who knows the engine.
-- $as_of stands for the date; the views are named as the canonical tables.
WITH
pop AS MATERIALIZED (
    SELECT entity_id, registered_capital, established_date, size, industry_code, address_key
    FROM (
        SELECT entity_id, registered_capital, established_date, size, industry_code, address_key, status,
            row_number() OVER (PARTITION BY entity_id ORDER BY known_at DESC) AS n
        FROM entities WHERE known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    ) WHERE n = 1 AND status = 'active'
),
insp AS MATERIALIZED (
    SELECT entity_id,
        count(*) FILTER (event_date >= $as_of - 1095) AS n_recent,
        count(*) FILTER (failed AND event_date >= $as_of - 1095) AS failed_recent,
        sum(exp(-ln(2) / 365 * ($as_of - event_date))) AS n,
        coalesce(sum(exp(-ln(2) / 365 * ($as_of - event_date))) FILTER (failed), 0) AS n_failed,
        coalesce(sum(exp(-ln(2) / 730 * ($as_of - event_date))) FILTER (failed), 0) AS violations
    FROM inspections
    WHERE failed IS NOT NULL AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    GROUP BY entity_id
),
overall AS (SELECT sum(failed_recent) / sum(n_recent) AS rate FROM insp),
industry AS (
    SELECT industry_code, (sum(failed_recent) + 50 * any_value(rate)) / (sum(n_recent) + 50) AS rate
    FROM insp JOIN pop USING (entity_id), overall WHERE industry_code IS NOT NULL GROUP BY industry_code
),
fines AS MATERIALIZED (
    SELECT entity_id, sum(exp(-ln(2) / 730 * ($as_of - event_date))) AS penalties,
        coalesce(sum(amount) FILTER (amount_known_at < $as_of AND event_date >= $as_of - 1095), 0) AS amount
    FROM penalties WHERE known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    GROUP BY entity_id
),
violating AS (
    SELECT entity_id, sum(v) AS v FROM (
        SELECT entity_id, penalties AS v FROM fines
        UNION ALL SELECT entity_id, violations FROM insp WHERE violations > 0
    ) GROUP BY entity_id
),
lic AS (
    SELECT entity_id, min(days) AS days FROM (
        SELECT entity_id, licence_type,
            max(greatest(-3650, least(3650, coalesce(valid_until - $as_of, 3650)))) AS days
        FROM licences WHERE required AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
        GROUP BY entity_id, licence_type
    ) GROUP BY entity_id
),
reports AS (
    SELECT entity_id, count(DISTINCT report_year) FILTER (status IN ('late', 'missed')) AS lapses
    FROM annual_reports
    WHERE event_date >= $as_of - 1095 AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    GROUP BY entity_id
),
chg AS (
    SELECT entity_id, count(*) AS n FROM changes
    WHERE field IN ('address', 'representative', 'scope', 'name') AND event_date >= $as_of - 730
        AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    GROUP BY entity_id
),
lst AS MATERIALIZED (
    SELECT entity_id, person_id, kind, event_date, CASE WHEN ended_known_at < $as_of THEN ended_on END AS ended_on
    FROM listings WHERE known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
),
abnormal AS (
    SELECT entity_id, sum(greatest(0, stop - greatest(start, coalesce(seen, start)))) AS days FROM (
        SELECT entity_id, start, stop, max(stop) OVER (
            PARTITION BY entity_id ORDER BY start, stop ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS seen
        FROM (
            SELECT entity_id, greatest(event_date, $as_of - 1095) AS start,
                least(coalesce(ended_on, $as_of), $as_of) AS stop
            FROM lst WHERE kind = 'abnormal_operation' AND entity_id IS NOT NULL AND person_id IS NULL
        )
    ) GROUP BY entity_id
),
serious AS (
    SELECT entity_id,
        sum(
            CASE WHEN ended_on IS NULL OR ended_on >= $as_of THEN 1 ELSE exp(-ln(2) / 730 * ($as_of - ended_on)) END
        ) AS v
    FROM lst WHERE kind = 'serious_dishonesty' AND entity_id IS NOT NULL AND person_id IS NULL
        AND (ended_on IS NULL OR ended_on >= $as_of - 1825)
    GROUP BY entity_id
),
owed AS (
    SELECT entity_id, sum(amount) AS amount FROM obligations
    WHERE known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
        AND (settled_known_at IS NULL OR settled_known_at >= $as_of OR settled_on IS NULL OR settled_on >= $as_of)
    GROUP BY entity_id
),
office AS MATERIALIZED (
    SELECT DISTINCT entity_id, person_id FROM people
    WHERE role IN ('legal_representative', 'director', 'supervisor', 'owner')
        AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
        AND (ended_on IS NULL OR ended_known_at IS NULL OR ended_known_at >= $as_of OR ended_on >= $as_of)
),
dishonest AS (
    SELECT DISTINCT person_id FROM lst
    WHERE kind IN ('serious_dishonesty', 'judgment_defaulter') AND person_id IS NOT NULL
        AND (ended_on IS NULL OR ended_on >= $as_of)
),
persons AS (
    SELECT entity_id, count(DISTINCT dishonest.person_id) AS n FROM office LEFT JOIN dishonest USING (person_id)
    GROUP BY entity_id
),
linked AS (
    SELECT entity_id, sum(v) AS v FROM (
        SELECT DISTINCT mine.entity_id, theirs.entity_id AS other, v
        FROM office AS mine
        JOIN office AS theirs ON mine.person_id = theirs.person_id AND mine.entity_id <> theirs.entity_id
        JOIN violating ON violating.entity_id = theirs.entity_id
    ) GROUP BY entity_id
),
cmp AS (
    SELECT entity_id, sum(exp(-ln(2) / 365 * ($as_of - event_date))) AS n FROM (
        SELECT entity_id, event_date, complainant_id, event_date - lag(event_date) OVER (
            PARTITION BY entity_id, complainant_id, topic ORDER BY event_date) AS gap
        FROM complaints WHERE known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    ) WHERE complainant_id IS NULL OR gap IS NULL OR gap > 30 GROUP BY entity_id
),
peers AS (
    SELECT industry_code, size, sum(coalesce(n, 0)) / count(*) AS mean
    FROM pop LEFT JOIN cmp USING (entity_id) GROUP BY industry_code, size
),
smp AS MATERIALIZED (
    SELECT entity_id, sum(w) AS n, coalesce(sum(w) FILTER (failed), 0) AS n_failed,
        count(*) FILTER (recent) AS n_recent, count(*) FILTER (recent AND failed) AS failed_recent
    FROM (
        SELECT entity_id, failed, exp(-ln(2) / 365 * ($as_of - event_date)) AS w, event_date >= $as_of - 1095 AS recent
        FROM tests WHERE failed IS NOT NULL AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    ) GROUP BY entity_id
),
tested AS (SELECT sum(failed_recent) / sum(n_recent) AS rate FROM smp),
news AS (
    SELECT entity_id, sum(exp(-ln(2) / 180 * ($as_of - event_date))) AS v FROM mentions
    WHERE sentiment = 'negative' AND (match_score IS NULL OR match_score >= 0.8)
        AND known_at < $as_of AND (withdrawn_at IS NULL OR withdrawn_at >= $as_of)
    GROUP BY entity_id
)
SELECT pop.entity_id, $as_of AS as_of_date, registered_capital,
    CASE WHEN pop.industry_code IS NOT NULL THEN coalesce(industry.rate, overall.rate) END AS industry_category,
    -- greatest() leaves nulls out: an unknown day would give 0 years.
    CASE WHEN established_date IS NOT NULL THEN greatest(($as_of - established_date) / 365.25, 0.0) END
        AS years_in_operation,
    CASE WHEN address_key IS NOT NULL THEN count(*) OVER (PARTITION BY address_key) END::DOUBLE AS address_sharing,
    lic.days::DOUBLE AS licence_validity, reports.lapses::DOUBLE AS annual_report_lapses,
    coalesce(chg.n, 0)::DOUBLE AS registration_changes,
    coalesce(abnormal.days, 0)::DOUBLE AS abnormal_listing, coalesce(serious.v, 0)::DOUBLE AS serious_dishonesty,
    coalesce(owed.amount, 0)::DOUBLE AS unpaid_obligations,
    coalesce(fines.penalties, 0)::DOUBLE AS penalties, coalesce(fines.amount, 0)::DOUBLE AS penalty_amount,
    (insp.n_failed + 2 * coalesce(industry.rate, overall.rate)) / (insp.n + 2) AS failed_inspections,
    persons.n::DOUBLE AS person_dishonesty,
    CASE WHEN persons.entity_id IS NOT NULL THEN coalesce(linked.v, 0) END::DOUBLE AS person_linked_violations,
    (coalesce(cmp.n, 0) + 1) / (peers.mean + 1) AS complaint_reports,
    (smp.n_failed + 5 * tested.rate) / (smp.n + 5) AS sampling_failures,
    coalesce(news.v, 0)::DOUBLE AS negative_mentions
FROM pop
LEFT JOIN insp USING (entity_id) LEFT JOIN industry ON industry.industry_code = pop.industry_code
LEFT JOIN lic USING (entity_id) LEFT JOIN reports USING (entity_id) LEFT JOIN chg USING (entity_id)
LEFT JOIN abnormal USING (entity_id) LEFT JOIN serious USING (entity_id) LEFT JOIN owed USING (entity_id)
LEFT JOIN fines USING (entity_id) LEFT JOIN persons USING (entity_id) LEFT JOIN linked USING (entity_id)
LEFT JOIN cmp USING (entity_id) LEFT JOIN smp USING (entity_id) LEFT JOIN news USING (entity_id)
LEFT JOIN peers
    ON peers.industry_code IS NOT DISTINCT FROM pop.industry_code AND peers.size IS NOT DISTINCT FROM pop.size
CROSS JOIN overall CROSS JOIN tested
ORDER BY entity_id
