# Regenerates the stored references of tests/analysis: run from the repository's root with
#   Rscript benchmarks/analysis_reference_one.R
# Needs lme4, pROC, psyphy, ordinal and jsonlite (Debian: r-cran-*). Users need none of this.
suppressMessages({library(lme4); library(pROC); library(psyphy); library(jsonlite)})
folder <- "tests/analysis/data"
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12, optCtrl = list(maxfun = 1e5, rhoend = 1e-9))

mixed <- list()
for (name in c("crossed_full", "crossed_sparse", "crossed_no_reader_variance")) {
  d <- read.csv(file.path(folder, paste0(name, ".csv")))
  for (model in c("intercept", "slope")) {
    formula <- if (model == "slope") y ~ x + (1 | reader) + (1 | case) else y ~ 1 + (1 | reader) + (1 | case)
    m <- suppressMessages(glmer(formula, d, family = binomial, control = tight))
    sd <- sapply(VarCorr(m), function(v) attr(v, "stddev"))
    mixed[[paste(name, model)]] <- list(
      beta = unname(fixef(m)), se = unname(sqrt(diag(as.matrix(vcov(m))))),
      reader = sd[["reader.(Intercept)"]], case = sd[["case.(Intercept)"]],
      log_likelihood = as.numeric(logLik(m)))
    if (model == "slope" && name == "crossed_full") {
      without <- suppressMessages(glmer(y ~ 1 + (1 | reader) + (1 | case), d, family = binomial, control = tight))
      mixed[[paste(name, model)]]$lr <- as.numeric(2 * (logLik(m) - logLik(without)))
      p <- suppressMessages(confint(m, method = "profile", quiet = TRUE))
      mixed[[paste(name, model)]]$profile <- list(case = unname(p[".sig01", ]), reader = unname(p[".sig02", ]),
        intercept = unname(p["(Intercept)", ]), x = unname(p["x", ]))
    }
  }
  m <- suppressMessages(glmer(y ~ x + (1 | reader) + (1 | reader:x) + (1 | case), d, family = binomial, control = tight))
  sd <- sapply(VarCorr(m), function(v) attr(v, "stddev"))
  mixed[[paste(name, "interaction")]] <- list(beta = unname(fixef(m)),
    se = unname(sqrt(diag(as.matrix(vcov(m))))), case = sd[["case.(Intercept)"]],
    reader = sd[["reader.(Intercept)"]], reader_x = sd[["reader:x.(Intercept)"]],
    log_likelihood = as.numeric(logLik(m)))
}

# Both variances at zero: printed, and typed into test_mixed.py.
d <- read.csv(file.path(folder, "crossed_boundary.csv"))
m <- suppressMessages(glmer(y ~ x + (1 | reader) + (1 | case), d, family = binomial, control = tight))
m0 <- suppressMessages(glmer(y ~ 1 + (1 | reader) + (1 | case), d, family = binomial, control = tight))
print(c(logLik(m), 2 * (logLik(m) - logLik(m0))), digits = 9)
print(confint(m, method = "profile", quiet = TRUE), digits = 8)

# Power: typed into test_power.py.
print(power.prop.test(n = 50, p1 = .5, p2 = .75)); print(power.prop.test(p1 = .5, p2 = .75, power = .9))
data(aSAH); print(power.roc.test(roc(aSAH$outcome, aSAH$s100b, quiet = TRUE)))
print(power.roc.test(ncases = 41, ncontrols = 72, auc = .73)); print(power.roc.test(auc = .8, power = .95, kappa = 1.7))

d <- read.csv(file.path(folder, "ratings_paired.csv"))
first <- roc(d$truth, d$first, quiet = TRUE, direction = "<")
second <- roc(d$truth, d$second, quiet = TRUE, direction = "<")
grade <- roc(d$truth, d$grade, quiet = TRUE, direction = "<")
paired <- roc.test(first, second, method = "delong", paired = TRUE)
unpaired <- suppressWarnings(roc.test(first, grade, method = "delong", paired = FALSE))
curves <- list(
  auc = c(auc(first), auc(second), auc(grade)),
  variance = c(var(first), var(second), var(grade)),
  covariance = c(cov(first, second), cov(first, grade)),
  interval = as.numeric(ci(first))[c(1, 3)],
  paired_z = unname(paired$statistic), paired_p = paired$p.value,
  unpaired_d = unname(unpaired$statistic), unpaired_df = unname(unpaired$parameter), unpaired_p = unpaired$p.value,
  partial = as.numeric(auc(first, partial.auc = c(1, .8))),
  partial_corrected = as.numeric(auc(first, partial.auc = c(1, .8), partial.auc.correct = TRUE)),
  partial_sensitivity = as.numeric(auc(first, partial.auc = c(1, .8), partial.auc.focus = "se")),
  partial_sensitivity_corrected = as.numeric(auc(first, partial.auc = c(1, .8), partial.auc.focus = "se", partial.auc.correct = TRUE)))

# The unequal-variance model of ratings is a cumulative probit with a scale effect.
suppressMessages(library(ordinal))
g <- data.frame(grade = factor(d$grade, ordered = TRUE), truth = d$truth)
scale <- clm(grade ~ truth, scale = ~ truth, data = g, link = "probit")
zeta <- unname(scale$zeta)
b <- exp(-zeta)
binormal <- list(a = unname(scale$beta) * b, b = b, cuts = unname(scale$alpha), log_likelihood = as.numeric(logLik(scale)))

p <- c(0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216)
adjusted <- lapply(c(bonferroni = "bonferroni", holm = "holm", hochberg = "hochberg", bh = "BH", by = "BY"),
                   function(m) p.adjust(p, m))
afc <- list(m2 = dprime.mAFC(.9, 2), m3 = dprime.mAFC(.6, 3), m4 = dprime.mAFC(.75, 4), m8 = dprime.mAFC(.3, 8))
binomial <- lapply(list(c(1781, 3000, .5), c(3, 10, .5), c(0, 12, .3), c(682, 925, .75), c(40, 60, .5)), function(v) {
  t <- binom.test(v[1], v[2], v[3]); list(x = v[1], n = v[2], null = v[3], p = t$p.value, lower = t$conf.int[1], upper = t$conf.int[2],
    less = binom.test(v[1], v[2], v[3], alternative = "less")$p.value)})
write_json(list(r = R.version.string, lme4 = as.character(packageVersion("lme4")), pROC = as.character(packageVersion("pROC")),
  mixed = mixed, roc = curves, binormal = binormal, p_values = p, adjusted = adjusted, m_afc = afc, binomial = binomial),
  file.path(folder, "reference_one.json"), digits = NA, auto_unbox = TRUE, pretty = TRUE)
