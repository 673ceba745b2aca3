"""Makes scripts.json: responses in scripts that published words fit or do not, and scikit-learn's TF-IDF
row sums of them, by words and by characters.

    python tests/golden/scripts.py        (packages: tests/golden/requirements.txt)
"""

import json
import random
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer

HERE = Path(__file__).parent
COUNT = 300

# By script: sentences with places, and what may stand in them.
SENTENCES = {
    "chinese": (
        ["我喜欢吃{}和{}。", "{}在图书馆里看书。", "今天的天气很好，我们去{}散步。", "请问{}怎么走？",
         "因为{}很贵，所以我买了{}。", "他昨天在{}学习中文。", "{}是中国最大的城市之一。", "这个问题的答案是{}。"],
        ["苹果", "香蕉", "北京大学的学生", "公园", "上海", "火车站", "老师", "手机", "电脑", "牛奶", "面包", "机器学习", "三十七"],
    ),
    "japanese": (
        ["私は{}と{}が好きです。", "{}は図書館で本を読んでいます。", "今日は天気がいいので、{}へ行きましょう。",
         "すみません、{}はどこですか。", "{}が高いから、{}を買いました。", "昨日{}で日本語を勉強しました。", "答えは{}です。"],
        ["りんご", "バナナ", "東京大学の学生", "公園", "大阪", "駅", "先生", "携帯電話", "コンピューター", "牛乳", "パン", "機械学習"],
    ),
    "thai": (
        ["ฉันชอบกิน{}และ{}", "{}กำลังอ่านหนังสืออยู่ในห้องสมุด", "วันนี้อากาศดีมาก เราไป{}กันเถอะ",
         "ขอโทษครับ {}ไปทางไหน", "เพราะ{}แพง ฉันจึงซื้อ{}", "เมื่อวานเขาเรียนภาษาไทยที่{}", "คำตอบคือ{}"],
        ["แอปเปิล", "กล้วย", "นักศึกษา", "สวนสาธารณะ", "กรุงเทพ", "สถานีรถไฟ", "ครู", "โทรศัพท์", "คอมพิวเตอร์", "นม", "ขนมปัง"],
    ),
    "arabic": (
        ["أحب أكل {} و{}.", "{} يقرأ كتابا في المكتبة.", "الطقس جميل اليوم، لنذهب إلى {}.", "من فضلك، أين {}؟",
         "لأن {} غالي، اشتريت {}.", "درس اللغة العربية أمس في {}.", "الجواب هو {}."],
        ["التفاح", "الموز", "الطالب", "الحديقة", "القاهرة", "محطة القطار", "المعلم", "الهاتف", "الحاسوب", "الحليب", "الخبز"],
    ),
    "code": (
        ["def {0}({1}):\n    return {1} + 1\n", "for {0} in range({1}):\n    print({0})\n", "let {0} = {1}.iter().sum();",
         "if ({0} > {1}) {{ {0} -= {1}; }}", "SELECT {0} FROM {1} WHERE {0} > 10;", "{0}: List[int] = [{1} for _ in x]"],
        ["i", "n", "total", "get_name", "values", "x", "index", "MAX_SIZE", "userName", "tmp2", "result"],
    ),
    "letters": (["{}", "{}.", "({})"], ["A", "B", "C", "D"]),
}


def responses(script):
    rng = random.Random(script)
    sentences, words = SENTENCES[script]
    most = 1 if script == "letters" else 3
    return [
        "".join(
            rng.choice(sentences).format(rng.choice(words), rng.choice(words))
            for _ in range(rng.randint(1, most))
        )
        for _ in range(COUNT)
    ]


def row_sums(texts, analyzer):
    try:
        matrix = TfidfVectorizer(ngram_range=(1, 3), analyzer=analyzer).fit_transform(texts)
    except ValueError:  # an empty vocabulary
        return [0.0] * len(texts)
    return [float(row.data.sum()) for row in matrix]


if __name__ == "__main__":
    golden = {}
    for script in SENTENCES:
        texts = responses(script)
        golden[script] = {
            "texts": texts,
            "word": row_sums(texts, "word"),
            "char_wb": row_sums(texts, "char_wb"),
        }
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (HERE / "scripts.json").write_text(text + "\n", encoding="utf-8")
