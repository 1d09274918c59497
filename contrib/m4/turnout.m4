# SPDX-License-Identifier: Apache-2.0
# The project's configure macros: warnings, --enable-* switches, libraries by pkg-config, the summary.

# TURNOUT_CFLAG(FLAG): append FLAG to TURNOUT_CFLAGS when the compiler takes it.
AC_DEFUN([TURNOUT_CFLAG], [
  AS_VAR_PUSHDEF([cache], [turnout_cv_cflag_$1])
  AC_CACHE_CHECK([whether $CC accepts $1], [cache], [
    turnout_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    CFLAGS=$turnout_save_CFLAGS])
  AS_VAR_IF([cache], [yes], [TURNOUT_CFLAGS="$TURNOUT_CFLAGS $1"])
  AS_VAR_POPDEF([cache])
])

AC_DEFUN([TURNOUT_WARNINGS], [
  TURNOUT_CFLAGS="-std=gnu11"
  AC_SUBST([TURNOUT_CFLAGS])
  m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings
    -Wvla -Wpointer-arith -Wundef -Wformat=2 -Wimplicit-fallthrough -Wswitch-enum -fno-strict-aliasing
    -fstack-protector-strong], [TURNOUT_CFLAG(flag)])
])

AC_DEFUN([TURNOUT_WERROR], [
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
    [], [enable_werror=no])
  AS_IF([test "x$enable_werror" = xyes], [TURNOUT_CFLAGS="$TURNOUT_CFLAGS -Werror"])
])

AC_DEFUN([TURNOUT_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers], [build with AddressSanitizer and UndefinedBehaviorSanitizer])],
    [], [enable_sanitizers=no])
  AS_IF([test "x$enable_sanitizers" = xyes], [
    TURNOUT_CFLAGS="$TURNOUT_CFLAGS -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
    TURNOUT_LDFLAGS="$TURNOUT_LDFLAGS -fsanitize=address,undefined"
    # gcc guesses wrong about sizes in instrumented code; the plain build has the warning.
    TURNOUT_CFLAG([-Wno-format-truncation])])
  AC_SUBST([TURNOUT_LDFLAGS])
])

AC_DEFUN([TURNOUT_COVERAGE], [
  AC_ARG_ENABLE([coverage], [AS_HELP_STRING([--enable-coverage], [build with gcov instrumentation])],
    [], [enable_coverage=no])
  AS_IF([test "x$enable_coverage" = xyes], [
    TURNOUT_CFLAGS="$TURNOUT_CFLAGS --coverage -O0"
    TURNOUT_LDFLAGS="$TURNOUT_LDFLAGS --coverage"])
])

AC_DEFUN([TURNOUT_TESTS], [
  AC_ARG_ENABLE([tests], [AS_HELP_STRING([--enable-tests],
    [insist on Criterion and librdkafka, which only tests and the sandbox need (default: use them when found)])],
    [], [enable_tests=auto])
])

# TURNOUT_LIB_FIND(VAR, MODULE, HEADER, LIB, FUNCTION): pkg-config first; where a distribution ships no .pc
# file (Debian's libev and mbedTLS 2.28), the header and a link of one function decide. Sets turnout_have_VAR.
AC_DEFUN([TURNOUT_LIB_FIND], [
  PKG_CHECK_MODULES([$1], [$2], [turnout_have_$1=yes], [
    turnout_have_$1=no
    AC_CHECK_HEADER([$3], [
      turnout_save_LIBS=$LIBS
      AC_CHECK_LIB([$4], [$5], [turnout_have_$1=yes; $1_LIBS="-l$4"; $1_CFLAGS=""], [])
      LIBS=$turnout_save_LIBS])])
  AC_SUBST([$1_CFLAGS])
  AC_SUBST([$1_LIBS])
])

# TURNOUT_LIB(VAR, MODULE, HEADER, LIB, FUNCTION, DEB, RPM): a library that the programs need.
AC_DEFUN([TURNOUT_LIB], [
  TURNOUT_LIB_FIND([$1], [$2], [$3], [$4], [$5])
  AS_IF([test "x$turnout_have_$1" = xno], [
    turnout_missing_deb="$turnout_missing_deb $6"
    turnout_missing_rpm="$turnout_missing_rpm $7"
    turnout_missing="$turnout_missing $2"])
])

# TURNOUT_LIB_OPTIONAL(..., WHAT, REQUIRE): a library without which WHAT is left out, and said so, unless REQUIRE is
# "yes": then it is missing like any other. Sets the conditional HAVE_VAR.
AC_DEFUN([TURNOUT_LIB_OPTIONAL], [
  TURNOUT_LIB_FIND([$1], [$2], [$3], [$4], [$5])
  AS_IF([test "x$turnout_have_$1" = xno], [
    AS_IF([test "x$9" = xyes], [
      turnout_missing_deb="$turnout_missing_deb $6"
      turnout_missing_rpm="$turnout_missing_rpm $7"
      turnout_missing="$turnout_missing $2"],
      [AC_MSG_WARN([no $2: $8 will not be built (Debian: $6, RPM: $7)])])])
  AM_CONDITIONAL([HAVE_$1], [test "x$turnout_have_$1" = xyes])
])

AC_DEFUN([TURNOUT_LIBS_CHECK], [
  AS_IF([test -n "$turnout_missing"], [AC_MSG_ERROR([missing libraries:$turnout_missing
  Debian and Ubuntu:  apt-get install$turnout_missing_deb
  Fedora and RHEL:    dnf install$turnout_missing_rpm
  (contrib/deps installs all of them on Debian)])])
])

AC_DEFUN([TURNOUT_SUMMARY], [
  AC_MSG_NOTICE([
  turnout $PACKAGE_VERSION
    compiler      $CC ($CFLAGS)
    warnings      $TURNOUT_CFLAGS
    prefix        $prefix
    sysconfdir    $sysconfdir
    localstatedir $localstatedir
    werror        $enable_werror
    sanitizers    $enable_sanitizers
    coverage      $enable_coverage
    unit tests    $turnout_have_CRITERION
    sandbox Kafka $turnout_have_RDKAFKA])
])
