"""Draws every plot of ``docs/validation.md`` and writes the page: ``make validate``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

import matplotlib as mpl

mpl.use("Agg")

DOCS: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = DOCS / "images" / "validation"
PAGE: Final = DOCS / "validation.md"


@dataclass(frozen=True, slots=True)
class Topic:
    """A section: the module whose ``draw`` gives its plots and the numbers its text names."""

    module: str
    title: str
    images: tuple[str, ...]
    text: str


HEAD: Final = """\
# Validation

What the models give, beside what is published. `make validate` draws the plots and writes this page from the
models as they are; every number here is one they have just given. Comparisons with other programs (pvlib's
ModelChain, OpenDER, SimSES, rainflow, pandapower, the H25 standard profile) are tests in `tests/oracles`.
"""

TOPICS: Final = (
    Topic(
        "pv",
        "Annual yield of the three pilots",
        ("annual_yield.png",),
        "Twelve systems of 14 % losses a pilot, a synthetic year. Norway {norway_kwh_per_kwp:,.0f}, Germany "
        "{germany_kwh_per_kwp:,.0f} and Malta {malta_kwh_per_kwp:,.0f} kWh/kWp, from {norway_ghi_kwh_per_m2:,.0f}, "
        "{germany_ghi_kwh_per_m2:,.0f} and {malta_ghi_kwh_per_m2:,.0f} kWh/m² of light on the horizontal. "
        "Compared with the ranges PVGIS gives for such places: {norway_expected_low:,.0f} to "
        "{norway_expected_high:,.0f}, {germany_expected_low:,.0f} to {germany_expected_high:,.0f} and "
        "{malta_expected_low:,.0f} to {malta_expected_high:,.0f} kWh/kWp; the ranges are from memory and to be "
        "checked against that tool. Ours lie in their upper halves. Roofs as they are yield less, as few face the best "
        "way: 700 to 1,000 in Norway (Otovo), over 1,100 at the best places of Bavaria in 2019 (Umwelt-Campus "
        "Birkenfeld), about 1,530 on Malta in 2019 (217.3 GWh of 141.7 MWp in the mean of the year, National "
        "Statistics Office). The light of Norway is 980 at Råde, 30 km from the pilot, by the Norwegian Meteorological "
        "Institute.",
    ),
    Topic(
        "weather",
        "Ten neighbours, and the ramps of a minute",
        ("ten_neighbours.png", "ramps.png"),
        "Ten systems in a row down the wind, on a clear and on a cloudy day: the last sees the same cloud "
        "{found_delay_s:.0f} s after the first, and the cloud's speed of {cloud_speed_m_per_s:.1f} m/s says "
        "{expected_delay_s:.0f} s. The clear-sky index and its steps of a minute are compared with a month of "
        "minutes measured at Payerne (BSRN, June 2016), means of a minute on both sides. Standard deviation "
        "{index_std:.3f}, measured {index_std_measured:.3f}. Steps: median {ramp_p50:.4f}, measured "
        "{ramp_p50_measured:.4f}; 90th percentile {ramp_p90:.3f}, measured {ramp_p90_measured:.3f}; 99th "
        "{ramp_p99:.3f}, measured {ramp_p99_measured:.3f}; 99.9th {ramp_p99_9:.3f}, measured "
        "{ramp_p99_9_measured:.3f}. Standard deviation within a minute: median {within_p50:.4f}, measured "
        "{within_p50_measured:.4f}; 95th percentile {within_p95:.3f}, measured {within_p95_measured:.3f}. "
        "{minutes_in_another_bin:.0%} of the minutes stand in another bin of the histogram; autocorrelation is off by "
        "{worst_acf_difference:.3f} at most. The largest steps come out too small and those below them somewhat too "
        "many: real edges are of several kinds, ours all equally soft. How alike the steps at two places are differs "
        "from Lave and Kleissl (2013) by {worst_pair_difference_1_min:.2f}, {worst_pair_difference_5_min:.2f} and "
        "{worst_pair_difference_15_min:.2f} at most for steps of 1, 5 and 15 minutes: too much at a hundred metres, "
        "too little at a kilometre and more. The clouds are made of this month: its shares of shadow, its indices and "
        "its hourly means are given to them, and some numbers are fitted to it. So this tells how good the fit is, not "
        "how it does elsewhere; the pairs are not fitted.",
    ),
    Topic(
        "homes",
        "A week of one home, and the mean of a thousand",
        ("home_week.png", "homes_mean.png"),
        "One home draws {home_week_kwh:.0f} kWh in the week, {home_peak_kw:.1f} kW at most. The mean of "
        "{homes:,.0f} homes is compared with the standard profile H25 of the German energy industry "
        "(BDEW, by oemof-demand): correlation {correlation:.3f}, energy {energy_over_h25:.3f} of it, coincidence "
        "{coincidence:.2f}. The evening peak of winter comes out about a tenth too low and a little late. The "
        "shape was fitted to this very profile: this shows that switched appliances add up to it, no more.",
    ),
    Topic(
        "ev",
        "When EVs arrive",
        ("ev_arrivals.png",),
        "{sessions:,.0f} sessions at {places:,.0f} charging points against the hours published by ElaadNL. The largest "
        "difference on a workday is {private_workday_largest_difference_points:.1f} percentage points at private, "
        "{public_workday_largest_difference_points:.1f} at public and "
        "{workplace_workday_largest_difference_points:.1f} at workplace points. Median energy "
        "{private_median_energy_kwh:.1f}, {public_median_energy_kwh:.1f} and {workplace_median_energy_kwh:.1f} kWh "
        "(published {private_published_median_energy_kwh:.1f}, {public_published_median_energy_kwh:.1f}, "
        "{workplace_published_median_energy_kwh:.1f}). The sessions are "
        "drawn from these hours and quantiles, so this shows that drawing keeps to them, not that drivers elsewhere "
        "do. Weekends at workplaces are an assumption: nothing is published.",
    ),
    Topic(
        "battery",
        "Ten years of battery ageing",
        ("battery_ageing.png", "battery_storage.png"),
        "State of health after ten years at 25 °C, cycled once a day by 80 %: LFP {lfp_soh_80%:.1%} after "
        "{lfp_cycles_80%:,.0f} full cycles, NMC {nmc_soh_80%:.1%} after {nmc_cycles_80%:,.0f}; at rest "
        "{lfp_soh_0%:.1%} and {nmc_soh_0%:.1%}. Home storages are reported to lose 2 to 3 % a year in the field "
        "(grey, for the eight years they were measured: Figgener et al., Nature Energy 9 (2024) 1438, from a report "
        "of the paper): ours come to as much, most of it early.\n\n"
        "LFP is Naumann's model of one cell, and what he measured of that cell at rest for 885 days is public (doi "
        "10.17632/kxh42bfgtj.1, CC BY 4.0). In percent, with BLAST-Lite's own fit to the same tests:\n\n"
        "{storage}\n\n"
        "Naumann's equation takes the rise with temperature from full cells. Half charged it therefore loses too much "
        "below 40 °C ({half_charged_25_excess:.1f} points at 25 °C, where he himself tells of up to 2.2) and too "
        "little at 60 °C. It is kept as published, as SimSES has it too. The resistance rises too slowly in most "
        "conditions, and too fast in a half charged cell at 60 °C.\n\n"
        "State of health in percent after ten years by the same days, beside BLAST-Lite 1.1.1 (NREL); the last column "
        "is the range of its eight NMC cells on graphite:\n\n"
        "{use}\n\n"
        "LFP loses more than by BLAST-Lite of the same cell: by {lfp_rest_least:.1f} to {lfp_rest_most:.1f} points at "
        "rest and by {lfp_use_least:.1f} to {lfp_use_most:.1f} in use. About half of that in use is cycles: Naumann "
        "lets them cost by the root of their number, BLAST-Lite takes the fast beginning for a break-in that only "
        "tests of many cycles a day show, leaves it out below three a day, and averages the rate over the day, so "
        "that 1 h and 4 h differ little. The 250 Ah cell is a better one.\n\n"
        "NMC is Xu's example, whose numbers are of an LMO cell; they were compared with public programs that print "
        "them, not with the paper. At rest it comes within {nmc_rest_most:.1f} points of Schmalstieg's NMC cell "
        "(Sanyo), and its cycles cost what they cost the Kokam cell of grid storages, within {nmc_wear_most:.1f} "
        "points. Together that lies amid the eight cells, which differ by {nmc_spread:.0f} points at 80 % a day; at "
        "35 °C it wears faster than {nmc_better_warm:.0f} of them. Take NMC for a plausible course, not for a given "
        "cell.",
    ),
    Topic(
        "inverter",
        "Grid codes",
        ("grid_codes.png", "trip.png"),
        "Volt-var, volt-watt and power by frequency as the three grid codes ask, compared with their break points. "
        "After a dip to 60 % of the voltage EN 50549-1, VDE-AR-N 4105 and IEEE 1547-2018 B trip after "
        "{en-50549-1_trips_after_s:.0f}, {vde-ar-n-4105_trips_after_s:.0f} and "
        "{ieee-1547-2018-b_trips_after_s:.0f} s and return {en-50549-1_back_after_s:.0f}, "
        "{vde-ar-n-4105_back_after_s:.0f} and {ieee-1547-2018-b_back_after_s:.0f} s after the voltage does. The "
        "standards are sold and their text was not seen: IEEE 1547's settings are OpenDER's defaults, those of "
        "VDE-AR-N 4105 mostly what Hoymiles ships for it, and EN 50549-1, which leaves limits to each country, has "
        "Germany's here. `profiles/grid_codes` says of each number what confirms it, or that nothing was found.",
    ),
    Topic(
        "grid",
        "A feeder on a sunny Sunday, and a loss of generation",
        ("feeder.png", "frequency.png"),
        "A village feeder that exports {feeder_peak_export_w:,.0f} W at noon: between {feeder_lowest_v:.1f} and "
        "{feeder_highest_v:.1f} V, within the 207 to 253 V of EN 50160, but up to {feeder_rise_frac:.1%} above the "
        "night's mean, where VDE-AR-N 4105 (from memory, to be checked) wants 3 %: more roofs than a planner "
        "would connect. "
        "{feeder_losses_share_of_flow:.1%} of the flow is lost. Solved by power-grid-model, compared with our own "
        "linear sweep ({feeder_largest_distance_from_the_sweep_v:.2f} V apart at most). A loss of 3 GW in continental "
        "Europe: {continental_nadir_hz:.3f} Hz at the lowest after {continental_nadir_after_s:.1f} s; without "
        "secondary control it settles at {continental_after_900_s_without_secondary_hz:.3f} Hz, and the closed form "
        "says {continental_closed_form_steady_hz:.3f}. ENTSO-E's operation handbook, as mainsfrequency.com "
        "quotes it, keeps such an incident above 49.2 Hz and lets it settle 0.18 Hz low. An island of 400 MVA "
        "that loses 20 MW: {island_nadir_hz:.2f} Hz, with inertia and lags of our own choosing.",
    ),
    Topic(
        "meters",
        "A night of meter reads, last gasps and returns",
        ("meter_reads.png", "last_gasps.png"),
        "A hundred data concentrators read the load profile of a day from 00:05 on, meter by meter, and again every "
        "half hour those that are missing. After the first round they have {radio_mesh_100_first_frac:.1%} of the "
        "meters over a radio mesh, {plc_g3_100_first_frac:.1%} over G3-PLC and {plc_prime_100_first_frac:.1%} over "
        "PRIME, where a vendor says 90 to 95 % of power line meters talk at once; at 07:00 "
        "{plc_prime_250_at_7_frac:.2%} or more, also with 250 meters, where contracts ask for 99 to 99.8 %. With 250 "
        "meters 95 % are read after {radio_mesh_250_95_h:.1f}, {plc_g3_250_95_h:.1f} and {plc_prime_250_95_h:.1f} "
        "hours. The numbers of the media are chosen so: this tells that rounds and retries come out as networks "
        "report, not that a network is like that. Meters that never answer are not among them. When all of 100 meters "
        "lose their supply at once, {radio_mesh_gasps_all_frac:.0%}, {plc_g3_gasps_all_frac:.0%} and "
        "{plc_prime_gasps_all_frac:.0%} of the last gasps come, of a few far more: {plc_g3_gasps_few_frac:.0%} of 5 "
        "meters' over G3-PLC; 20 to 80 % is what is said of wide outages. Five minutes after supply is back "
        "{plc_g3_back_5_frac:.1%} have said so over G3-PLC, after fifteen {plc_g3_back_15_frac:.1%}; said is over 90 "
        "% in 5 to 15 minutes.",
    ),
)


def section(topic: Topic, numbers: dict[str, float | str]) -> str:
    """Set a topic out: heading, plots, text with its numbers."""
    plots = "\n\n".join(f"![{topic.title}](images/validation/{image})" for image in topic.images)
    return f"\n## {topic.title}\n\n{plots}\n\n{topic.text.format_map(numbers)}\n"


def main() -> None:
    """Draw everything and write the page."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(Path(__file__).parent))
    sections = []
    for topic in TOPICS:
        print(f"drawing: {topic.title}", flush=True)  # noqa: T201  it takes a minute or two
        sections.append(section(topic, import_module(topic.module).draw(IMAGES)))
    PAGE.write_text(HEAD + "".join(sections), encoding="utf-8")


if __name__ == "__main__":
    main()
