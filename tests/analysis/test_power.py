"""Planning against R, PowerTOST and simulation by the analysing code."""

import math

import numpy as np
import pytest
from scipy import special, stats

from readerstudy.analysis import detection, power, proportions
from readerstudy.analysis.mrmc import Pilot, mrmc_power, obuchowski_rockette
from readerstudy.analysis.power import (
    auc_differs,
    auc_equivalent,
    auc_power,
    binomial_power,
    binomial_sample_size,
    conjectured_pilot,
    hanley_mcneil,
    power_curve,
    rate_differs,
    rate_equivalent,
    rate_moments,
    rate_variance,
    rating_study,
    realism_cases,
    realism_power,
    realism_study,
    simulated_power,
    tost_power,
)

from .data import van_dyke


@pytest.mark.parametrize(
    ("n", "p", "null", "alternative", "power"),
    # Sums of R's binom.test over all outcomes (benchmarks/analysis_reference_two.R).
    [
        (100, 0.65, 0.5, "two-sided", 0.8275851009),
        (97, 0.65, 0.5, "two-sided", 0.8338137129),
        (50, 0.30, 0.5, "less", 0.8594401236),
        (80, 0.35, 0.25, "greater", 0.6334081506),
    ],
)
def test_binomial_power_equals_r(n, p, null, alternative, power):
    found = binomial_power(n, p=p, null=null, alternative=alternative)
    assert found == pytest.approx(power, abs=1e-10)


def test_enough_judgments_stay_enough():
    n, power = binomial_sample_size(p=0.65)
    assert power >= 0.8
    assert all(binomial_power(k, p=0.65) >= 0.8 for k in range(n, n + 80))
    assert binomial_power(n - 1, p=0.65) < 0.8


def test_equivalence_power_equals_powertost():
    # PowerTOST: sampleN.TOST(CV = 0.30) prints n = 40, power 0.815845 (2x2 crossover, theta0 0.95,
    # limits 0.8 to 1.25): standard error sqrt(2 / n) sqrt(log(1 + CV^2)), n - 2 df.
    error = math.sqrt(2 / 40) * math.sqrt(math.log(1 + 0.3**2))
    found = tost_power(
        math.log(0.95), lower=math.log(0.8), upper=math.log(1.25), error=error, df=38
    )
    assert found == pytest.approx(0.815845, abs=5e-7)


def test_non_inferiority_power_is_the_noncentral_t_of_r():
    # pt(qt(.95, 14), 14, ncp = 1.7, lower = FALSE) in R: 0.488976754.
    found = tost_power(0.0, lower=-1.7, upper=math.inf, error=1.0, df=14)
    assert found == pytest.approx(0.488976754, abs=1e-8)


def test_hanley_mcneil_equals_their_example():
    # Hanley and McNeil 1982, p. 32: AUC 0.893 with 51 abnormal and 58 normal cases, SE 0.032.
    assert math.sqrt(hanley_mcneil(0.893, 51, 58)) == pytest.approx(0.032, abs=6e-4)


def test_rate_variance_is_that_of_simulated_studies():
    draw = realism_study(rate=0.6, readers=6, cases=40, var_reader=0.3, var_case=0.6)
    rng = np.random.default_rng(1)
    rates = np.array([draw(rng)["judgment"].mean() for _ in range(4000)])
    variance, _ = rate_variance(0.6, readers=6, cases=40, var_reader=0.3, var_case=0.6)
    assert rates.mean() == pytest.approx(0.6, abs=3 * rates.std() / math.sqrt(4000))
    # The standard error of a variance from 4000 draws is 2.2 %.
    assert rates.var(ddof=1) == pytest.approx(variance, rel=0.07)


def test_without_reader_and_case_variance_the_plan_is_binomial():
    variance, _ = rate_variance(0.6, readers=5, cases=40, var_reader=0.0, var_case=0.0)
    assert variance == pytest.approx(0.6 * 0.4 / 200)
    assert np.allclose(rate_moments(0.6, 0.0, 0.0), [0.6, 0.36, 0.36, 0.36])
    assert realism_power(
        rate=0.6, readers=5, cases=40, var_reader=0.0, var_case=0.0
    ).design_effect == pytest.approx(1.0)


def test_realism_power_agrees_with_simulation_through_the_analysis():
    options = {"rate": 0.62, "readers": 10, "cases": 60, "var_reader": 0.15, "var_case": 0.4}
    simulated = simulated_power(realism_study(**options), rate_differs(), simulations=300, seed=3)
    assert simulated.lower - 0.03 <= realism_power(**options).power <= simulated.upper + 0.03


def test_equivalence_of_a_realism_rate_agrees_with_simulation():
    options = {"rate": 0.5, "readers": 10, "cases": 100, "var_reader": 0.05, "var_case": 0.3}
    simulated = simulated_power(
        realism_study(**options), rate_equivalent(margin=0.08), simulations=300, seed=4
    )
    planned = realism_power(**options, margin=0.08).power
    assert simulated.lower - 0.03 <= planned <= simulated.upper + 0.03


def test_the_test_keeps_its_size_when_nothing_is_there():
    found = simulated_power(
        realism_study(rate=0.5, readers=8, cases=40, var_reader=0.2, var_case=0.4),
        rate_differs(), simulations=300, seed=5,
    )  # fmt: skip
    assert found.lower <= 0.05 <= found.upper + 0.02


def test_auc_size_and_equivalence_by_simulation():
    chance = simulated_power(
        rating_study(auc=0.5, readers=5, positives=25, negatives=25), auc_differs(),
        simulations=200, seed=6,
    )  # fmt: skip
    assert chance.lower <= 0.06
    equal = simulated_power(
        rating_study(auc=0.8, readers=6, positives=60, negatives=60, difference=0.0, levels=5),
        auc_equivalent(margin=0.15), simulations=60, seed=7,
    )  # fmt: skip
    assert equal.estimate > 0.8
    assert auc_power(
        readers=6, positives=60, negatives=60, auc=0.8, difference=0.0, margin=0.15
    ).power > 0.8  # fmt: skip


def test_a_conjectured_pilot_scales_like_a_real_one():
    pilot = conjectured_pilot(auc=0.8, positives=60, negatives=60)
    assert pilot.var_interaction == pytest.approx((0.1 / 4) ** 2 * 0.2)
    more = conjectured_pilot(auc=0.8, positives=120, negatives=120)
    a = mrmc_power(pilot, readers=8, cases=240, effect=0.05).power
    b = mrmc_power(more, readers=8, cases=240, effect=0.05).power
    # Hanley and McNeil's variance is not exactly 1 / n.
    assert a == pytest.approx(b, abs=0.01)


def test_power_grows_with_readers_and_cases():
    grid = power_curve(
        realism_power, readers=[4, 8, 12], cases=[30, 60, 120], rate=0.6, var_reader=0.1,
        var_case=0.4,
    ).pivot(index="readers", columns="cases", values="power").to_numpy()  # fmt: skip
    assert (np.diff(grid, axis=0) > 0).all()
    assert (np.diff(grid, axis=1) > 0).all()
    assert (power_curve(auc_power, readers=[4, 8], cases=[60], auc=0.65)["power"] > 0.5).all()
    pilot = Pilot.from_result(obuchowski_rockette(van_dyke()))
    curve = power_curve(mrmc_power, readers=[6], cases=[111], pilot=pilot, effect=0.043800322)
    assert curve["power"].iloc[0] == pytest.approx(0.5526116, abs=6e-8)  # RJafroc


def test_fewest_cases_are_fewest():
    options = {"rate": 0.6, "readers": 10, "var_reader": 0.1, "var_case": 0.5}
    plan = realism_cases(**options)
    assert plan.power >= 0.8
    assert realism_power(cases=plan.cases - 1, **options).power < 0.8
    with pytest.raises(ValueError, match="plan more readers"):
        realism_cases(rate=0.55, readers=3, var_reader=0.5, var_case=0.5)


def test_studies_that_cannot_be_analysed_are_counted():
    def refuse(table):
        raise ValueError("no")

    found = simulated_power(
        realism_study(rate=0.5, readers=2, cases=5, var_reader=0.1, var_case=0.1), refuse,
        simulations=20,
    )  # fmt: skip
    assert found.estimate == 0.0
    assert found.upper == pytest.approx(stats.beta.ppf(0.975, 1, 20))
    assert found.details["failed"] == 20
    assert "could not be analysed" in found.notes[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: binomial_power(0, p=0.5), "at least 1"),
        (lambda: binomial_sample_size(p=0.5), "cannot be detected"),
        (lambda: binomial_power(10, p=0.5, alternative="both"), "two-sided"),
        (lambda: tost_power(0, lower=1, upper=-1, error=1, df=3), "not in order"),
        (lambda: rate_variance(1.2, readers=2, cases=2, var_reader=0, var_case=0), "between 0"),
        (lambda: conjectured_pilot(auc=0.8, positives=5, negatives=5, rho3=0.9), "rho3"),
        (lambda: rating_study(auc=0.8, readers=2, positives=2, negatives=2, var_case=0.9), "sum"),
    ],
)
def test_plans_that_make_no_sense_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_two_proportions_equal_r():
    # R: power.prop.test(n = 50, p1 = .5, p2 = .75) and (p1 = .5, p2 = .75, power = .9).
    found = power.two_proportions_power(50, 50, p1=0.5, p2=0.75, method="normal")
    assert found.estimate == pytest.approx(0.7401659, abs=1e-6)
    needed = power.two_proportions_sample_size(p1=0.5, p2=0.75, power=0.9)
    assert needed.details["unrounded"] == pytest.approx(76.70693, abs=1e-4)
    assert needed.estimate == 77


def test_score_power_is_the_share_of_tables_that_the_test_rejects():
    rng = np.random.default_rng(0)
    found = power.two_proportions_power(30, 25, p1=0.7, p2=0.4).estimate
    hits = sum(
        proportions.miettinen_nurminen(
            int(rng.binomial(30, 0.7)), 30, int(rng.binomial(25, 0.4)), 25
        ).p_value
        <= 0.05
        for _ in range(1500)
    )
    assert hits / 1500 == pytest.approx(found, abs=0.04)


def test_pairs_are_counted_through_mcnemar():
    rng = np.random.default_rng(1)
    found = power.mcnemar_power(60, only_first=0.3, only_second=0.1).estimate
    tables = rng.multinomial(60, [0.3, 0.1, 0.6], size=2000)
    hits = sum(proportions.mcnemar(0, b, c, n).p_value <= 0.05 for b, c, n in tables.tolist())
    assert hits / 2000 == pytest.approx(found, abs=0.035)


def test_one_curve_equals_proc():
    # pROC 1.18, power.roc.test: documentation's examples (aSAH's s100b among them).
    assert power.roc_power(41, 72, auc=0.7313686).estimate == pytest.approx(0.9904833, abs=1e-6)
    assert power.roc_power(41, 72, auc=0.73).estimate == pytest.approx(0.9897453, abs=1e-6)
    needed = power.roc_sample_size(auc=0.8, power=0.95, ratio=1.7)
    assert needed.details["unrounded"] == pytest.approx(16.44894, abs=1e-4)


def test_kappa_and_d_prime_power_agree_with_simulation():
    rng = np.random.default_rng(2)
    # kappa 0.5, both readers say yes half of the time: cells .375 .125 .125 .375.
    tables = rng.multinomial(150, [0.375, 0.125, 0.125, 0.375], size=4000) / 150
    agreed = tables[:, 0] + tables[:, 3]
    first, second = tables[:, 0] + tables[:, 1], tables[:, 0] + tables[:, 2]
    by_chance = first * second + (1 - first) * (1 - second)
    spread = ((agreed - by_chance) / (1 - by_chance)).std()
    planned = power.kappa_power(150, kappa=0.5, null=0.3, rate1=0.5, rate2=0.5)
    assert planned.estimate == pytest.approx(
        stats.norm.cdf(0.2 / spread - 1.645 * np.sqrt((1 - 0.3**2) / 150) / spread), abs=0.03
    )
    size = power.kappa_sample_size(kappa=0.5, null=0.3, rate1=0.5, rate2=0.5, power=0.8)
    again = power.kappa_power(int(size.estimate), kappa=0.5, null=0.3, rate1=0.5, rate2=0.5)
    assert 0.8 <= again.estimate < 0.81
    hits = rng.binomial(80, special.ndtr(0.3), 3000)
    alarms = rng.binomial(80, special.ndtr(-0.3), 3000)
    found = [detection.yes_no(h, 80 - h, f, 80 - f, replicates=2).d_prime.p_value < 0.05
             for h, f in zip(hits[:600].tolist(), alarms[:600].tolist(), strict=True)]  # fmt: skip
    planned = power.d_prime_power(80, 80, d_prime=0.6)
    assert np.mean(found) == pytest.approx(planned.estimate, abs=0.06)


def zou_and_donner_variance(n, m, kappa, p):
    # Zou & Donner 2004, as in the Stata program kappaci: (1 - k)(A + B k + C k^2).
    total, pq, inverse, squares = n * m, p * (1 - p), n / m, n * m * m
    a = (1 / pq - 6) * inverse / (total - n) ** 2
    a += (2 * total + 4 * n - n / pq) * n / (total * (total - n) ** 2)
    b = squares / (total**2 * pq) - (2 * total - n) / (total - n) ** 2
    b -= (3 * total - 2 * n) * (total - 2 * n) * squares / (total**2 * (total - n) ** 2)
    c = (4 - 1 / pq) * (squares - total) / total**2
    return (1 - kappa) * (a + b * kappa + c * kappa**2)


@pytest.mark.parametrize(("readers", "kappa", "share"), [(2, 0.4, 0.3), (3, 0.4, 0.3),
                         (5, 0.7, 0.5), (10, 0.1, 0.2), (20, 0.0, 0.5)])  # fmt: skip
def test_variance_of_many_readers_kappa_is_zou_and_donners(readers, kappa, share):
    ours = power.fleiss_kappa_variance(kappa, raters=readers, prevalence=share) / 100
    assert ours == pytest.approx(zou_and_donner_variance(100, readers, kappa, share), rel=1e-9)


# kappaSize 1.2 PowerBinary, run in R: subjects for (kappa0, kappa1, prevalence, power) of
# (0.4, 0.6, 0.3, 0.8), (0.2, 0.5, 0.5, 0.8), (0.1, 0.3, 0.2, 0.9); its search stops at 1e-5.
KAPPA_SIZE = {
    2: (190.456, 83.722, 308.426), 3: (105.522, 37.210, 128.645), 4: (80.612, 23.921, 92.828),
    5: (68.742, 18.605, 79.435), 6: (61.699, 16.204, 70.457),
}  # fmt: skip


@pytest.mark.parametrize("readers", list(KAPPA_SIZE))
def test_goodness_of_fit_sample_size_equals_kappasize(readers):
    plans = ((0.4, 0.6, 0.3, 0.8), (0.2, 0.5, 0.5, 0.8), (0.1, 0.3, 0.2, 0.9))
    for (null, kappa, share, wanted), expected in zip(plans, KAPPA_SIZE[readers], strict=True):
        found = power.fleiss_kappa_sample_size(
            raters=readers, kappa=kappa, null=null, prevalence=share, power=wanted,
            method="goodness-of-fit",
        )  # fmt: skip
        assert found.details["unrounded"] == pytest.approx(expected, rel=1e-4)


def test_power_of_many_readers_kappa_is_what_simulated_studies_reach():
    # Given five readers with a common kappa, when their studies are tested for any agreement,
    rng, readers, cases, studies = np.random.default_rng(4), 5, 150, 3000
    alike = rng.random((studies, cases)) < 0.06
    apart = rng.binomial(readers, 0.5, (studies, cases))
    yes = np.where(alike, readers * rng.integers(0, 2, (studies, cases)), apart)
    agreed = (yes * (yes - 1) + (readers - yes) * (readers - yes - 1)) / (readers * (readers - 1))
    share = yes.mean(axis=1) / readers
    chance = share**2 + (1 - share) ** 2
    kappa = (agreed.mean(axis=1) - chance) / (1 - chance)
    error = np.sqrt(2 / (cases * readers * (readers - 1)))  # Fleiss, Nee and Landis 1979
    reached = (np.abs(kappa / error) > stats.norm.isf(0.025)).mean()
    # then so many of them find it as planned.
    planned = power.fleiss_kappa_power(cases, raters=readers, kappa=0.06, prevalence=0.5)
    # (The estimate is a little skewed, which the normal approximation does not know.)
    assert reached == pytest.approx(planned.estimate, abs=0.05)
    size = power.fleiss_kappa_sample_size(raters=readers, kappa=0.06, prevalence=0.5)
    again = power.fleiss_kappa_power(int(size.estimate), raters=readers, kappa=0.06, prevalence=0.5)
    assert 0.8 <= again.estimate < 0.81


@pytest.mark.parametrize(("change", "message"), [
    ({"raters": 1}, "raters must be at least 2"), ({"kappa": 1.2}, "from -"),
    ({"kappa": -0.6}, "is not possible"), ({"prevalence": 1.0}, "have no kappa"),
    ({"method": "wald"}, "method must be one of"),
])  # fmt: skip
def test_impossible_kappas_are_refused(change, message):
    arguments = {"raters": 3, "kappa": 0.4, "null": 0.1, "prevalence": 0.3} | change
    with pytest.raises(ValueError, match=message):
        power.fleiss_kappa_power(60, **arguments)


def test_a_whole_plan_is_simulated_through_its_own_gate():
    study = power.judgment_study(fool_rate=0.3, acquired_rate=0.85, readers=6, generated=20,
                                 acquired=20, var_reader=0.05, var_case=0.1)  # fmt: skip
    plan = {
        "bootstrap": 20,
        "endpoints": [
            {"name": "first", "measure": "difference"},
            {"name": "second", "measure": "auc", "family": 2},
        ],
    }
    found = power.simulated_power(study, power.endpoint_rejected(plan, "second"), simulations=4)
    assert found.estimate == 1.0
    with pytest.raises(ValueError, match="no endpoint 'third'; it has first, second"):
        power.endpoint_rejected(plan, "third")
