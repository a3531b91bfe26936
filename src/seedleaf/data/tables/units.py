"""Units that are known, by what they measure. A unit that only some cells have, or that differs from cell to cell, must be
one of them: letters behind a number may as well be part of a name, as in "12a".
"""

from __future__ import annotations

import re

CURRENCY = re.compile(r"[$\u00a2-\u00a5\u20a0-\u20cf]|Rs|[Kk]r|Fr")
CODES = (
    "AED ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD HUF IDR ILS INR ISK JPY KRW MXN MYR NOK NZD PEN PHP "
    "PKR PLN RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD VND ZAR"
)
MEASURED = {
    "money": f"{CODES} {CODES.lower()} us$ a$ c$ euro euros dollar dollars pounds",
    "length": "nm um µm μm mm cm dm m km in inch inches \" ft feet ' yd yards mi mile miles",
    "area": "mm2 cm2 m2 km2 mm² cm² m² km² qm sqm sqft sq_ft sq_m ha acre acres",
    "volume": "µl ul ml cl dl l liter litre liters litres gal gallon gallons cm3 dm3 m3 cm³ dm³ m³ cc cbm",
    "mass": "ng µg ug mcg mg g kg t lb lbs oz tons tonnes",
    "time": "ns µs us ms s sec secs min mins h hr hrs hour hours day days d week weeks month months yr yrs year years",
    "share": "% ‰ percent pct ppm ppb",
    "heat": "° °c °f",
    "power": "mw kw hp ps bhp",
    "energy": "kj kcal cal kwh wh mwh",
    "pressure": "pa hpa kpa mpa mbar bar psi mmhg",
    "speed": "km/h kmh kph m/s mph",
    "density": "kg/m2 kg/m² kg/m3 kg/m³ g/cm3 g/cm³ g/ml g/l mg/l µg/l mg/dl g/dl ng/ml mmol/l µmol/l mg/kg",
    "waves": "hz khz mhz ghz db",
    "bytes": "kb mb gb tb kib mib gib tib",
}
OF_UNIT = {unit.replace("_", " "): what for what, units in MEASURED.items() for unit in units.split()}
LONE = set("gmslht%‰°\"'")  # of single characters, these; a capital letter is rather a part of a name


def measures(unit: str) -> str:
    """What a unit measures; "" where it is not known."""
    if CURRENCY.fullmatch(unit.rstrip(".")) or unit in CODES.split():
        return "money"
    if len(unit) == 1:
        return OF_UNIT.get(unit, "") if unit in LONE else ""
    return OF_UNIT.get(unit.lower().rstrip("."), "")
