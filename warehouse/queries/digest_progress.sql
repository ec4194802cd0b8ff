-- How far the digest of one week has come.
--
-- parameters  week              such as 2026-W47
-- columns     is_built          its files were written at least once
--             was_mailed        mail of it was tried at least once
--             mailed_before     an earlier week's digest was mailed, so mail was in use
--             waiting           recipients for whom another try may bring it
SELECT
    EXISTS (FROM digests WHERE week = $week) AS is_built,
    EXISTS (FROM deliveries WHERE week = $week) AS was_mailed,
    EXISTS (FROM deliveries WHERE week < $week) AS mailed_before,
    (
        SELECT coalesce(list(recipient ORDER BY recipient), [])
        FROM deliveries
        WHERE
            week = $week
            AND (
                state IN ('deferred', 'reserved')
                OR (state = 'unknown' AND attempt_count < 2)
                OR (state = 'refused' AND stage IN ('connect', 'tls', 'auth', 'mail'))
            )
    ) AS waiting;
