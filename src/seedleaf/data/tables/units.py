"""Units that are known, by what they measure. A unit that only some cells have, or that differs from cell to cell, must be
one of them: letters behind a number may as well be part of a name, as in "12a".
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

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
# What can be converted, in a common unit of each kind. Not here: money, °C and °F, gallons and tons (which of them?).
SIZES = {
    "length": 'nm=1e-9 um=1e-6 µm=1e-6 μm=1e-6 mm=1e-3 cm=1e-2 dm=1e-1 m=1 km=1e3 in=.0254 inch=.0254 inches=.0254 "=.0254 '
    "ft=.3048 feet=.3048 '=.3048 yd=.9144 yards=.9144 mi=1609.344 mile=1609.344 miles=1609.344",
    "area": "mm2=1e-6 cm2=1e-4 m2=1 km2=1e6 mm²=1e-6 cm²=1e-4 m²=1 km²=1e6 qm=1 sqm=1 sq_m=1 sqft=.09290304 sq_ft=.09290304 "
    "ha=1e4 acre=4046.8564224 acres=4046.8564224",
    "volume": "µl=1e-6 ul=1e-6 ml=1e-3 cl=1e-2 dl=1e-1 l=1 liter=1 litre=1 liters=1 litres=1 cm3=1e-3 cm³=1e-3 cc=1e-3 "
    "dm3=1 dm³=1 m3=1e3 m³=1e3 cbm=1e3",
    "mass": "ng=1e-9 µg=1e-6 ug=1e-6 mcg=1e-6 mg=1e-3 g=1 kg=1e3 t=1e6 tonnes=1e6 lb=453.59237 lbs=453.59237 "
    "oz=28.349523125",
    "time": "ns=1e-9 µs=1e-6 us=1e-6 ms=1e-3 s=1 sec=1 secs=1 min=60 mins=60 h=3600 hr=3600 hrs=3600 hour=3600 "
    "hours=3600 day=86400 days=86400 d=86400 week=604800 weeks=604800 month=2629746 months=2629746 yr=31556952 yrs=31556952 "
    "year=31556952 years=31556952",
    "share": "%=1 percent=1 pct=1 ‰=.1 ppm=1e-4 ppb=1e-7",
    "pressure": "pa=1 hpa=100 mbar=100 kpa=1e3 bar=1e5 psi=6894.757 mmhg=133.322",
    "speed": "m/s=1 km/h=.277777777777777778 kmh=.277777777777777778 kph=.277777777777777778 mph=.44704",
    "waves": "hz=1 khz=1e3 mhz=1e6 ghz=1e9",
    "bytes": "kb=1e3 mb=1e6 gb=1e9 tb=1e12 kib=1024 mib=1048576 gib=1073741824 tib=1099511627776",
}
SIZE = {
    unit.replace("_", " "): Fraction(size)  # exact, as a foot is 12 inches and no bit more
    for sizes in SIZES.values()
    for unit, size in (said.rsplit("=", 1) for said in sizes.split())
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


def factor(unit: str, base: str) -> float:
    """How many of `base` one `unit`, which measures the same, is: a kg is 1000 g. NaN where that is not known."""
    if unit == base:
        return 1.0
    one, other = (SIZE.get(u if len(u) == 1 else u.lower().rstrip(".")) for u in (unit, base))
    return math.nan if one is None or other is None else float(one / other)
