"""The settings of IEEE 1547-2018 and volt-var, volt-watt and droop against OpenDER (EPRI), with random voltages.

OpenDER's frequency droop is fixed to 60 Hz, so frequencies are given to it scaled. It is scalar: one device.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from pilotfarm.emulators.physics import grid_code, inverter

opender = pytest.importorskip("opender", reason="OpenDER is missing: pip install 'pilotfarm[oracles]'")
pytestmark = pytest.mark.oracle

CODE = grid_code.code("ieee-1547-2018-b")
RATED_W = RATED_VA = 10_000.0
STEPS = 600


def _der(dt_s: float, **settings: object) -> object:
    opender.DER.t_s = dt_s
    file = opender.DERCommonFileFormat(
        NP_P_MAX=RATED_W,
        NP_VA_MAX=RATED_VA,
        NP_Q_MAX_INJ=0.44 * RATED_VA,
        NP_Q_MAX_ABS=0.44 * RATED_VA,
        NP_REACT_TIME=0,
        NP_V_DC=600,
        **settings,
    )
    return opender.DER_PV(file)


def test_the_settings_are_opender_s_defaults() -> None:
    """Tables 4, 8, 10, 12, 18 and 24 as EPRI has them, for categories B and II and a least power of none."""
    file = opender.DERCommonFileFormat(
        NP_P_MAX=RATED_W,
        NP_VA_MAX=RATED_VA,
        NP_Q_MAX_INJ=0.44 * RATED_VA,
        NP_Q_MAX_ABS=0.44 * RATED_VA,
        NP_NORMAL_OP_CAT="CAT_B",
        NP_ABNORMAL_OP_CAT="CAT_II",
    )
    theirs = {
        "volt_var_response_s": file.QV_OLRT,
        "volt_var_q1": file.QV_CURVE_Q1,
        "volt_var_q4": file.QV_CURVE_Q4,
        "volt_watt_p2": file.PV_CURVE_P2,
        "volt_watt_response_s": file.PV_OLRT,
        "droop_over": file.PF_DBOF / 60.0,
        "droop_under": file.PF_DBUF / 60.0,
        "droop": file.PF_KOF,
        "droop_response_s": file.PF_OLRT,
        "reconnect_voltage_low": file.ES_V_LOW,
        "reconnect_voltage_high": file.ES_V_HIGH,
        "reconnect_frequency_low": file.ES_F_LOW / 60.0,
        "reconnect_frequency_high": file.ES_F_HIGH / 60.0,
        "reconnect_s": file.ES_DELAY,
        "reconnect_ramp_per_s": 1.0 / file.ES_RAMP_RATE,
    }
    theirs |= {f"volt_var_v{k}": getattr(file, f"QV_CURVE_V{k}") for k in (1, 2, 3, 4)}
    theirs |= {f"volt_watt_v{k}": getattr(file, f"PV_CURVE_V{k}") for k in (1, 2)}
    for name, short in (("over", "O"), ("under", "U")):
        for k in (1, 2):
            theirs[f"{name}_voltage_{k}"] = getattr(file, f"{short}V{k}_TRIP_V")
            theirs[f"{name}_voltage_{k}_s"] = getattr(file, f"{short}V{k}_TRIP_T")
            theirs[f"{name}_frequency_{k}"] = getattr(file, f"{short}F{k}_TRIP_F") / 60.0
            theirs[f"{name}_frequency_{k}_s"] = getattr(file, f"{short}F{k}_TRIP_T")
    ours = asdict(CODE)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs)
    rest = {"droop_over_momentary", "mean_over_voltage", "reactive_max", "reactive_per_active", "reactive_at_rest"}
    assert ours.keys() - theirs.keys() == rest, "a setting that nothing is compared with"


@pytest.mark.parametrize("dt_s", [0.1, 1.0, 4.0, 30.0])
def test_volt_var_and_volt_watt_are_opender_s_to_a_millionth(dt_s: float) -> None:
    der = _der(
        dt_s,
        QV_MODE_ENABLE="ENABLED",
        CONST_PF_MODE_ENABLE="DISABLED",
        PV_MODE_ENABLE="ENABLED",
    )
    voltages = 1.0 + 0.098 * np.sin(np.cumsum(np.random.default_rng(1).normal(0.0, 0.3, STEPS)))
    one = np.ones(1)
    lag: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    worst = 0.0
    for voltage in voltages:
        der.update_der_input(v_pu=float(voltage), f=60.0, p_dc_w=RATED_W)
        der.run()
        for name, asked, response_s, theirs in (
            (
                "q",
                inverter.volt_var(voltage * one, one, CODE),
                CODE.volt_var_response_s,
                der.reactivepowerfunc.voltvar.q_qv_desired_pu,
            ),
            (
                "p",
                inverter.volt_watt(voltage * one, CODE),
                CODE.volt_watt_response_s,
                1.0 - der.activepowerfunc.voltwatt.p_pv_limit_pu,
            ),
        ):
            asked_before, answered = lag.get(name, (asked, asked))
            answered = inverter.lagged(asked, asked_before, answered, response_s, dt_s)
            lag[name] = asked, answered
            worst = max(worst, abs(float(answered[0]) - theirs))
    assert worst * RATED_VA < 1e-6
    assert voltages.max() > 1.08
    assert voltages.min() < 0.92


def test_droop_is_opender_s_to_a_millionth_once_its_frequencies_are_scaled() -> None:
    """Its curve, without the lag; it sets out from the power before the disturbance and stops at 0 and the sun."""
    der = _der(30.0, PF_MODE_ENABLE="ENABLED")
    function = der.activepowerfunc.freqdroop
    compared = 0
    for frequency in np.random.default_rng(2).normal(60.0, 0.3, 200):
        der.update_der_input(v_pu=1.0, f=float(frequency), p_dc_w=0.5 * RATED_W)
        der.run()
        ours = float(inverter.droop(float(frequency) * 50.0 / 60.0, np.array([50.0]), CODE)[0])
        if function.pf_of and function.p_pf_of_pu > 0.0:
            assert ours == pytest.approx(function.p_pf_of_pu - function.p_pf_pre_pu, abs=1e-6)
            compared += 1
        elif function.pf_uf and function.p_pf_uf_pu < 0.5:
            assert ours == pytest.approx(function.p_pf_uf_pu - function.p_pf_pre_pu, abs=1e-6)
            compared += 1
        elif not function.pf_of and not function.pf_uf:
            assert ours == 0.0
    assert compared > 50
