# Reference values of agreement, planning and process statistics, from R.
#
#   Rscript benchmarks/analysis_reference_two.R
#
# Needs Debian's r-base-core, r-cran-psych, r-cran-vcd, r-cran-lme4, r-cran-lmertest (not needed by
# users). The numbers stand in tests/analysis/test_agreement.py, test_power.py, test_process.py and
# test_diversity.py.
suppressMessages({library(psych); library(vcd); library(lme4)})
options(digits = 10)

cat("== psych::ICC, Shrout and Fleiss 1979\n")
sf <- matrix(c(9,2,5,8, 6,1,3,2, 8,4,6,8, 7,1,2,6, 10,5,6,9, 6,2,4,7), ncol = 4, byrow = TRUE)
print(ICC(sf, lmer = FALSE)$results)

cat("== vcd::Kappa\n")
k3 <- matrix(c(13,0,0, 0,20,7, 0,4,56), 3, byrow = TRUE)
print(Kappa(k3)); print(confint(Kappa(k3)))
k4 <- matrix(c(40,4,4,17, 6,25,2,13, 4,1,21,12, 15,5,9,45), 4, byrow = TRUE)
print(Kappa(k4, weights = "Fleiss-Cohen")); print(Kappa(k4, weights = "Equal-Spacing"))

cat("== Cohen 1968 and Fleiss, Cohen and Everitt 1969, own weights\n")
c68 <- matrix(c(88,14,18, 10,40,10, 2,6,12), 3, byrow = TRUE)
k <- cohen.kappa(c68, matrix(c(0,1,3, 1,0,6, 3,6,0), 3), n.obs = 200)
print(c(k$kappa, k$var.kappa, k$weighted.kappa))
fce <- matrix(c(106,10,4, 22,28,10, 2,12,6), 3, byrow = TRUE)
print(unclass(Kappa(fce, weights = matrix(c(1,0,.4444, 0,1,.6667, .4444,.6667,1), 3)))[1:2])

cat("== exact binomial power from binom.test\n")
exact <- function(n, p, p0 = 0.5, alternative = "two.sided", alpha = 0.05) {
  reject <- sapply(0:n, function(x) binom.test(x, n, p0, alternative)$p.value <= alpha)
  sum(dbinom(0:n, n, p)[reject])
}
print(exact(100, 0.65)); print(exact(97, 0.65)); print(exact(50, 0.3, 0.5, "less"))
print(exact(80, 0.35, 0.25, "greater"))

cat("== power of one-sided t test (non-inferiority), df 14\n")
print(pt(qt(0.95, 14), 14, ncp = 1.7, lower.tail = FALSE))

cat("== lme4::lmer, log reading times, crossed readers and cases\n")
d <- read.csv("tests/analysis/data/durations.csv")
m <- lmer(log(duration) ~ position + (1 | reader) + (1 | case), d, REML = TRUE)
print(summary(m)$coefficients); print(as.data.frame(VarCorr(m))); print(logLik(m))
print(summary(lmerTest::as_lmerModLmerTest(m))$coefficients)
d2 <- d[-seq(1, nrow(d), 4), ]; d2$origin <- ifelse(d2$case %% 2, "generated", "acquired")
m <- lmer(log(duration) ~ origin + position + (1 | reader) + (1 | case), d2, REML = TRUE)
print(summary(lmerTest::as_lmerModLmerTest(m))$coefficients)

cat("== chi-square of label counts\n")
acquired <- c(60, 25, 10, 5); generated <- c(48, 38, 11, 3)
t <- chisq.test(rbind(acquired, generated)); print(c(t$statistic, t$parameter, p = t$p.value))
