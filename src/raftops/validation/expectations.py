"""Great Expectations: judges tables of rows by their checks. The only module that needs it.

Its Data Docs are not built: they load styles and scripts from other hosts, name neither run nor data here, and say
nothing that our page does not (`validation_page.py`). What its own tools can read on, the suites, is written out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig

from raftops.errors import StepError
from raftops.validation.rows import Check, Outcome, Row

_RESULT = {"result_format": "COMPLETE", "unexpected_index_column_names": ["where"]}


class Judge:
    """One ephemeral context: a suite, a validation definition and a checkpoint for each table."""

    def __init__(self) -> None:
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._context.enable_analytics(False)
        for site in self._context.get_site_names():
            self._context.delete_data_docs_site(site)
        self._source = self._context.data_sources.add_pandas("raftops")

    def judge(self, table: str, rows: Sequence[Row], checks: Sequence[Check]) -> list[Outcome]:
        """Run the checks on the rows; an outcome for each check. No rows: nothing to judge."""
        if not rows:
            return []
        # Of type object: what is absent stays None, and whole numbers stay whole beside it.
        cells = {check.column: [row.columns.get(check.column) for row in rows] for check in checks}
        frame = pd.DataFrame({"where": [row.where for row in rows], **cells}, dtype=object)
        batch = self._source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        expectations = [_expectation(check, number) for number, check in enumerate(checks)]
        suite = self._context.suites.add(gx.ExpectationSuite(name=table, expectations=expectations))
        definition = gx.ValidationDefinition(name=table, data=batch, suite=suite)
        definition = self._context.validation_definitions.add(definition)
        checkpoint = gx.Checkpoint(name=table, validation_definitions=[definition], result_format=_RESULT)
        ran = self._context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        # Great Expectations returns results in an order of its own: each is found by the number of its check.
        results = next(iter(ran.run_results.values())).results
        by_name = {r.expectation_config.meta["check"]: r for r in results}
        order = {row.where: number for number, row in enumerate(rows)}
        return [_outcome(check, by_name[number], order) for number, check in enumerate(checks)]

    def suites(self) -> list[dict[str, Any]]:
        """The expectations of all tables judged so far, as Great Expectations writes and reads them."""
        return [suite.to_json_dict() for suite in self._context.suites.all()]


def _expectation(check: Check, number: int) -> Any:
    said = {"column": check.column, "severity": check.severity, "description": check.says, "meta": {"check": number}}
    match check.condition:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(**said)
        case "unique":
            return gxe.ExpectColumnValuesToBeUnique(**said)
        case "true":
            return gxe.ExpectColumnValuesToBeInSet(value_set=[True], **said)
        case "in_set":
            return gxe.ExpectColumnValuesToBeInSet(value_set=list(check.values), **said)
        case "zero":
            return gxe.ExpectColumnValuesToBeBetween(min_value=0, max_value=0, **said)
        case "between":
            return gxe.ExpectColumnValuesToBeBetween(min_value=check.values[0], max_value=check.values[1], **said)
        case "regex":
            return gxe.ExpectColumnValuesToMatchRegex(regex=check.values[0], **said)


def _outcome(check: Check, result: Any, order: dict[str, int]) -> Outcome:
    """What an expectation found. One that could not run is an error: it must not pass for a success."""
    raised = result.exception_info or {}
    if raised.get("raised_exception") or (not result.success and "unexpected_count" not in result.result):
        raise StepError(f"the check on {check.column} ({check.says}) could not run: {raised}")
    places = [str(at["where"]) for at in result.result.get("unexpected_index_list") or []]
    if len(places) != result.result.get("unexpected_count", 0):
        raise StepError(f"the check on {check.column} ({check.says}) does not name every row that failed it")
    missing = 0 if check.condition == "not_null" else result.result.get("missing_count", 0)
    return Outcome(check, result.result["element_count"] - missing, tuple(sorted(places, key=order.__getitem__)))
