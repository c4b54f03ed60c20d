// What the local page says, in English and Chinese.

const WORDS = {
  en: {
    title: "Gatewise", expression: "expression", hint: "variables, numbers, + - * / ** @, exp, log, max, sigmoid, sum …; parts may be named: q = x + y; q * z",
    gallery: "Circuits to begin with", functions: "Your functions", values: "Inputs", working: "computing …", lost: "The program behind this page has ended, or the connection is gone.",
    other: "中文", addValue: "argument = value",
  },
  zh: {
    title: "Gatewise", expression: "表达式", hint: "变量、数、+ - * / ** @、exp、log、max、sigmoid、sum……；各部分可以命名：q = x + y; q * z",
    gallery: "从这些电路开始", functions: "你的函数", values: "输入", working: "计算中……", lost: "页面背后的程序已结束，或连接已断开。",
    other: "English", addValue: "参数 = 值",
  },
};

export const wordsOf = (language) => WORDS[language] ?? WORDS.en;
