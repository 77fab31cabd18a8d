-- Versions of drivers' code that the jobs of a run were sent with: kept while the run is.
CREATE TABLE run_code (
    run_no INTEGER NOT NULL REFERENCES runs (no) ON DELETE CASCADE,
    code   TEXT NOT NULL,
    PRIMARY KEY (run_no, code)
) WITHOUT ROWID;
INSERT INTO run_code (run_no, code) SELECT DISTINCT run_no, code FROM jobs WHERE code IS NOT NULL;
