"""What `TabularClassifier` and `TabularRegressor` warn of: what of X is not learned from."""

from __future__ import annotations

from seedleaf.data.tables.schema import TableSchema
from seedleaf.data.tables.words import plural

NAMED = 5  # columns in a warning


def left_out(schema: TableSchema) -> str:
    """Which rows and columns of X are not learned from, though nobody said so."""
    copies = sum(f.count for f in schema.findings if f.kind == "duplicate-rows" and "dropped" in f.action)
    # Nothing is lost with a column that holds nothing or the same in every row.
    idle = {f.column for f in schema.findings if f.kind in ("empty", "constant")}
    idle.add(schema.group)  # it has been used
    gone = {c.name: c.dropped for c in schema.columns if c.dropped and c.name not in idle}
    late = sum(f.count for f in schema.findings if f.kind == "order")
    named = ", ".join(f"{name} ({why})" for name, why in [*gone.items()][:NAMED])
    more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
    parts = (
        [f"{plural(copies, 'row')} exactly like earlier ones (copies='keep' trains on them)"]
        if copies
        else []
    )
    parts += [f"{plural(late, 'row')} without a place in {schema.order_by}"] if late else []
    parts += [f"the {plural(len(gone), 'column')} {named}{more} (keep=[…] keeps them)"] if gone else []
    return f"not used: {'; '.join(parts)}" if parts else ""
